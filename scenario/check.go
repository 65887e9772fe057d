package scenario

import (
	"maps"
	"strings"
)

// checker resolves a File into a Plan and collects the problems that only show when sections meet. It stays silent
// about what the decoder has complained about already.
type checker struct {
	*decoder
}

func newChecker(f *File) *checker {
	d := &decoder{file: f.path}
	if f.d != nil {
		d.lines, d.pos, d.keys, d.plain = f.d.lines, f.d.pos, f.d.keys, f.d.plain
		d.bad = maps.Clone(f.d.bad)
	} else {
		d.bad = map[string]bool{}
	}
	return &checker{d}
}

// report records a problem of the value at path, at its own place or that of the nearest section around it.
func (c *checker) report(path, hint, format string, args ...any) {
	for p := path; p != ""; p = parent(p) {
		if c.bad[p] {
			return
		}
	}
	c.failAt(c.place(path), path, hint, format, args...)
}

// reportKey is report at the key instead of its value.
func (c *checker) reportKey(path, hint, format string, args ...any) {
	if at, ok := c.keys[path]; ok && !c.bad[path] {
		c.failAt(at, path, hint, format, args...)
		return
	}
	c.report(path, hint, format, args...)
}

// reportIn is report at a column inside a text that stands plainly in one line of the file.
func (c *checker) reportIn(path string, column int, hint, format string, args ...any) {
	at := c.place(path)
	if !c.bad[path] && c.plain[path] {
		at.column += column - 1
	}
	c.failAt(at, path, hint, format, args...)
}

func (c *checker) place(path string) position {
	for p := path; p != ""; p = parent(p) {
		if at, ok := c.pos[p]; ok {
			return at
		}
	}
	return position{}
}

func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}

// written reports whether the key at path stands in the file.
func (c *checker) written(path string) bool {
	_, ok := c.keys[path]
	return ok
}

// clean reports whether nothing at or below path has a problem.
func (c *checker) clean(path string) bool {
	for p := range c.bad {
		if rest, ok := strings.CutPrefix(p, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return false
		}
	}
	return true
}
