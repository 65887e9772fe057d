package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// maxFile bounds a Result file, in bytes. Ten minutes with 10,000 clients and 20 faults take under 5 MB.
const maxFile = 512 << 20

// WriteFile writes the Result as JSON. The file appears whole or not at all: what was there before stays as it is when
// anything fails, a full disk included.
func (r *Result) WriteFile(path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write result %s: %w", path, err)
		}
	}()
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return ReplaceFile(path, append(b, '\n'))
}

// ReplaceFile writes a regular file in one step: a reader sees the old text or the new one, and a crash or a full disk leaves
// the old one. A symbolic link stays, what it names is replaced.
func ReplaceFile(path string, text []byte) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if is, err := os.Stat(path); err == nil && is.IsDir() {
		return errors.New("that is a directory")
	} else if err == nil && !is.Mode().IsRegular() {
		return errors.New("that is no regular file, and it would be replaced by one")
	}
	// A new file beside the target, so that the rename stays within one file system.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close() // an error again if it is closed already, which says nothing new
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(text); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		d.Sync() // makes the rename durable; some file systems cannot, and the file is whole without it
		d.Close()
	}
	return nil
}

// ReadFile reads a Result file.
func ReadFile(path string) (*Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	defer f.Close()
	r, err := ReadResult(f)
	if err != nil {
		return nil, fmt.Errorf("read result %s: %w", path, err)
	}
	return r, nil
}

// ReadResult reads a Result. Whatever it accepts can be rendered and merged without harm.
func ReadResult(in io.Reader) (*Result, error) {
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("larger than %s", formatBytes(maxFile))
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errors.New("the file is empty")
	}
	var head struct {
		Format  any `json:"format"`
		Version any `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && syntax.Offset >= int64(len(b)) {
			return nil, errors.New("damaged result: it is cut short")
		}
		if errors.As(err, new(*json.UnmarshalTypeError)) {
			return nil, errors.New("not a flatline result: it is no JSON object")
		}
		return nil, fmt.Errorf("not a flatline result: %w", err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("not a flatline result: \"format\" is not %q", Format)
	}
	if v, ok := head.Version.(float64); !ok || v != Version {
		return nil, fmt.Errorf("version %v of the format is not %d, the one this flatline reads\nhint: use the flatline that wrote it", head.Version, Version)
	}
	r := &Result{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("damaged result: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("damaged result: %w", err)
	}
	return r, nil
}

// maxTime bounds all times in a file, so that arithmetic on them cannot overflow.
const maxTime = 10 * 365 * 24 * time.Hour

// check refuses what the rest of the package relies not to meet.
func (r *Result) check() error {
	groups := len(r.Plan.Groups)
	if len(r.Groups) != groups {
		return fmt.Errorf("%d group totals for %d groups", len(r.Groups), groups)
	}
	for i := range r.Groups {
		if d := r.Groups[i].Delivery; d != nil {
			if err := d.check(); err != nil {
				return fmt.Errorf("group %d: delivery: %w", i, err)
			}
		}
	}
	times := []time.Duration{r.Elapsed, r.Plan.Duration, r.Plan.RampEnd}
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		times = append(times, g.BoundLo, g.BoundHi, g.Timeout)
	}
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Fault < 0 || o.Fault >= max(len(r.Plan.Faults), 1) {
			return fmt.Errorf("occurrence %d belongs to no fault", i)
		}
		times = append(times, o.Planned, o.Began, o.InForce, o.Ended, o.Recoverable)
		for k := range o.Groups {
			g := &o.Groups[k]
			if g.Group < 0 || g.Group >= groups || k > 0 && g.Group <= o.Groups[k-1].Group {
				return fmt.Errorf("occurrence %d: group %d is out of place", i, g.Group)
			}
			times = append(times, g.LastBack)
			for _, n := range []int64{g.Affected, g.Absent, g.Undetected, g.Healed, g.Unresolved, g.Lost, g.LetGo, g.Pending} {
				if n < 0 || n > 1<<40 {
					return fmt.Errorf("occurrence %d: a count is out of range", i)
				}
			}
			if g.Affected != g.DetectedN()+g.Undetected+g.Healed+g.Unresolved {
				return fmt.Errorf("occurrence %d: what became of the affected does not add up", i)
			}
		}
	}
	for i := range r.Segments {
		s := &r.Segments[i]
		if len(s.Groups) != groups {
			return fmt.Errorf("segment %d: %d groups instead of %d", i, len(s.Groups), groups)
		}
		times = append(times, s.From, s.To)
	}
	for _, series := range [][]TargetUse{r.Target, r.Harness} {
		for i := range series {
			u := &series[i]
			times = append(times, u.At, u.Span, u.CPU)
			if err := u.check(); err != nil {
				return fmt.Errorf("usage sample %d: %w", i, err)
			}
		}
	}
	for _, t := range times {
		if t < never || t > maxTime {
			return fmt.Errorf("time %d is out of range", int64(t))
		}
	}
	s := &r.Series
	n := len(s.Attempts)
	columns := [][]int64{s.Retries, s.Failed, s.Opens, s.Deaths, s.RTTMax, s.LagMax}
	if len(s.Sent)+len(s.Received) > 0 {
		columns = append(columns, s.Sent, s.Received)
	}
	for name, c := range s.States {
		if !isState(name) {
			return fmt.Errorf("series: unknown state %q", name)
		}
		columns = append(columns, c)
	}
	for _, c := range columns {
		if len(c) != n {
			return fmt.Errorf("series: columns of %d and %d seconds", len(c), n)
		}
	}
	if len(s.RTT) != n {
		return fmt.Errorf("series: columns of %d and %d seconds", len(s.RTT), n)
	}
	for _, c := range s.RTT {
		for i, b := range c {
			if b[0] < 0 || b[0] >= coarseBuckets || b[1] < 0 || i > 0 && b[0] <= c[i-1][0] {
				return errors.New("series: malformed histogram")
			}
		}
	}
	return nil
}

func isState(name string) bool {
	for s := heartbeat.Idle; s < heartbeat.NumStates; s++ {
		if s.String() == name {
			return true
		}
	}
	return false
}
