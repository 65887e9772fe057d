package capacity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/flatline-dev/flatline/internal/search"
	"github.com/flatline-dev/flatline/report"
)

// Format and Version identify the file of a search. A reader refuses another version.
const (
	Format  = "flatline.capacity"
	Version = 1
)

// Status says how far the search is.
type Status string

const (
	Running     Status = "running"     // a probe was under way when this was written, or flatline was killed
	Complete    Status = "complete"    // the edge is known as well as it was asked for
	Interrupted Status = "interrupted" // by the user
	Stopped     Status = "stopped"     // the next probe could not be made
)

// File is a search as far as it has come. Whatever else is said of it follows from Search and Probes.
type File struct {
	Format  string      `json:"format"`
	Version int         `json:"version"`
	Tool    string      `json:"tool"` // "flatline v1.2.3"
	Started time.Time   `json:"started"`
	Host    report.Host `json:"host"`
	Status  Status      `json:"status"`
	Reason  string      `json:"reason,omitempty"` // why it is not complete
	Command string      `json:"command"`          // makes the search again
	Resume  string      `json:"resume"`           // continues it

	Name     string   `json:"name"`
	Intent   string   `json:"intent,omitempty"`
	Path     string   `json:"path"`
	Target   string   `json:"target,omitempty"`
	Seed     uint64   `json:"seed"`
	Hash     string   `json:"hash"`    // scenario.Plan.Hash of the scenario with its own number of clients
	Written  int      `json:"written"` // that number
	Added    []string `json:"added,omitempty"`
	Aside    []string `json:"aside,omitempty"` // expectations that belong to that number alone, and were left out
	Settings Settings `json:"settings"`
	Ceiling  *Ceiling `json:"ceiling,omitempty"` // this machine drives fewer than Settings.Max
	Probes   []Probe  `json:"probes"`
	Model    *Model   `json:"model,omitempty"` // what the simulator says of more clients
}

// Settings are those of the search.
type Settings struct {
	Start     int           `json:"start"`
	Min       int           `json:"min"`
	Max       int           `json:"max"`
	Precision float64       `json:"precision"`
	Confirm   int           `json:"confirm"`
	Repeats   int           `json:"repeats"`
	Cooldown  time.Duration `json:"cooldown"`
	Settle    time.Duration `json:"settle"`
}

// Ceiling is the largest number of clients that this machine can drive, and what is short beyond it.
type Ceiling struct {
	Clients int    `json:"clients"`
	Why     string `json:"why"`
	Fix     string `json:"fix,omitempty"`
}

// Config is the search that the settings ask for, as far as this machine goes.
func (f *File) Config() search.Config {
	c := search.Config{Min: f.Settings.Min, Max: f.Settings.Max, Start: f.Settings.Start, Precision: f.Settings.Precision,
		Confirm: f.Settings.Confirm, Repeats: f.Settings.Repeats}
	if f.Ceiling != nil {
		c.Max = min(c.Max, f.Ceiling.Clients)
		c.Start = min(c.Start, c.Max)
	}
	return c
}

// Search is the search with everything in it that was observed.
func (f *File) Search() (*search.Search, error) {
	s, err := search.New(f.Config())
	if err != nil {
		return nil, err
	}
	for i := range f.Probes {
		o, ok := f.Probes[i].Verdict.Outcome()
		if !ok {
			return nil, fmt.Errorf("probe %d: unknown verdict %q", i+1, f.Probes[i].Verdict)
		}
		if err := s.Observe(f.Probes[i].Clients, o); err != nil {
			return nil, fmt.Errorf("probe %d: %w", i+1, err)
		}
	}
	return s, nil
}

// Write writes the file: whole, or not at all.
func (f *File) Write(path string) error {
	b, err := json.MarshalIndent(f, "", " ")
	if err == nil {
		err = report.ReplaceFile(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// maxFile bounds the file of a search, in bytes: a probe takes some 10 KB.
const maxFile = 64 << 20

// Read reads what Write wrote. The error of a file that is not there is an fs.ErrNotExist.
func Read(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	f, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

func parse(b []byte) (*File, error) {
	if len(b) > maxFile {
		return nil, errors.New("larger than any search of flatline")
	}
	var head struct {
		Format  any `json:"format"`
		Version any `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not a search of flatline capacity: %w", err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("not a search of flatline capacity: \"format\" is not %q", Format)
	}
	if v, ok := head.Version.(float64); !ok || v != Version {
		return nil, fmt.Errorf("version %v of the format is not %d, the one this flatline reads", head.Version, Version)
	}
	f := &File{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	if _, err := f.Search(); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	return f, nil
}
