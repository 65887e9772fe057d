package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseFault reads the one-line form of [Fault.String]. The kind comes first; the rest may stand in any order, each part
// once. The result is valid: what [Fault.Validate] finds is part of the error.
func ParseFault(line string) (Fault, error) {
	words, err := splitWords(line)
	if err != nil {
		return Fault{}, fmt.Errorf("fault: %w", err)
	}
	if len(words) == 0 {
		return Fault{}, errors.New("fault: an empty line; hint: blackhole at 10s for 20s clients 33%")
	}
	p := faultParser{words: words[1:], seen: map[string]bool{}}
	p.f.Kind = Kind(words[0].text)
	if words[0].quoted || !slices.Contains(Kinds, p.f.Kind) {
		return Fault{}, fmt.Errorf("fault: %q is no kind of fault; hint: one of %s", words[0].text, list(Kinds, "or"))
	}
	for len(p.words) > 0 {
		if err := p.part(); err != nil {
			return Fault{}, fmt.Errorf("%s: %w", p.f.Kind, err)
		}
	}
	if bad := p.f.Validate(); len(bad) > 0 {
		errs := make([]error, len(bad))
		for i := range bad {
			errs[i] = fmt.Errorf("%s: %w", p.f.Kind, bad[i])
		}
		return Fault{}, errors.Join(errs...)
	}
	return p.f, nil
}

type faultParser struct {
	f     Fault
	words []word
	seen  map[string]bool
}

// once fails when the field was given before.
func (p *faultParser) once(field string) error {
	if p.seen[field] {
		return fmt.Errorf("%s is given twice", field)
	}
	p.seen[field] = true
	return nil
}

// arg takes the word behind key.
func (p *faultParser) arg(key string) (string, error) {
	if len(p.words) == 0 {
		return "", fmt.Errorf("nothing after %q", key)
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w.text, nil
}

func (p *faultParser) part() error {
	w := p.words[0]
	p.words = p.words[1:]
	if w.quoted {
		return fmt.Errorf("%q stands alone; hint: notice %q or named %q", w.text, w.text, w.text)
	}
	switch Direction(w.text) {
	case Up, Down, Both:
		p.f.Direction = Direction(w.text)
		return p.once("direction")
	}
	switch How(w.text) {
	case RST, FIN, Close, Process, Silent, Sleep, Timers:
		p.f.How = How(w.text)
		return p.once("how")
	}
	if in, ok := strings.CutPrefix(w.text, "close("); ok && strings.HasSuffix(in, ")") {
		code, err := strconv.Atoi(strings.TrimSuffix(in, ")"))
		if err != nil {
			return fmt.Errorf("%q has no close code; hint: close(1012)", w.text)
		}
		p.f.How, p.f.Code = Close, code
		return errors.Join(p.once("how"), p.once("code"))
	}
	if d := p.duration(w.text); d != nil {
		return p.into(w.text, func(s string) (err error) { *d, err = ParseDuration(s); return })
	}
	switch w.text {
	case "times":
		return p.into(w.text, func(s string) (err error) { p.f.Times, err = integer(s); return })
	case "code":
		return p.into(w.text, func(s string) (err error) { p.f.Code, err = integer(s); return })
	case "burst":
		return p.into(w.text, func(s string) (err error) {
			if p.f.Burst, err = strconv.ParseFloat(s, 64); err != nil {
				err = fmt.Errorf("%q is not a number", s)
			}
			return
		})
	case "rate":
		read := ParseProbability
		if p.f.Kind == Throttle {
			read = ParseRate
		}
		return p.into(w.text, func(s string) (err error) { p.f.Rate, err = read(s); return })
	case "notice":
		return p.into(w.text, func(s string) error { p.f.Notice = s; return nil })
	case "distribution":
		return p.into(w.text, func(s string) error { p.f.Distribution = Distribution(s); return nil })
	case "named":
		return p.into("name", func(s string) error { p.f.Name = s; return nil })
	case "nodes":
		return p.into(w.text, func(s string) error {
			for _, n := range strings.Split(s, ",") {
				i, err := integer(n)
				if err != nil {
					return err
				}
				p.f.Nodes = append(p.f.Nodes, i)
			}
			return nil
		})
	case "clients":
		if err := p.once("clients"); err != nil {
			return err
		}
		sel, used, err := parseSelector(p.words)
		if err != nil {
			return fmt.Errorf("clients: %w", err)
		}
		p.f.Clients, p.words = sel, p.words[used:]
		return nil
	}
	return fmt.Errorf("%q is no part of a fault; hint: %s", w.text, "up, down or both; a how; or a field and its value")
}

// duration is the field of that name, nil when there is none.
func (p *faultParser) duration(key string) *time.Duration {
	switch key {
	case "at":
		return &p.f.At
	case "for":
		return &p.f.For
	case "every":
		return &p.f.Every
	case "restart":
		return &p.f.Restart
	case "by":
		return &p.f.By
	case "jitter":
		return &p.f.Jitter
	case "after":
		return &p.f.After
	case "spread":
		return &p.f.Spread
	case "grace":
		return &p.f.Grace
	case "grid":
		return &p.f.Grid
	}
	return nil
}

// into reads the value of a field.
func (p *faultParser) into(field string, set func(string) error) error {
	if err := p.once(field); err != nil {
		return err
	}
	s, err := p.arg(field)
	if err != nil {
		return err
	}
	if err := set(s); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func integer(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return n, nil
}
