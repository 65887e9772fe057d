package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	for name, want := range map[string]string{
		"quickstart":            "quickstart",
		"Kill storm, 2nd":       "Kill-storm--2nd",
		"../../etc/passwd":      "etc-passwd",
		"/":                     "flatline",
		"":                      "flatline",
		"..":                    "flatline",
		".hidden":               "hidden",
		"-rf":                   "rf",
		"a\x00b\nc\x1b[31md":    "a-b-c--31md",
		"größe":                 "gr--e",
		`C:\windows\system32`:   "C--windows-system32",
		"name.result.json":      "name.result.json",
		strings.Repeat("/a", 3): "a-a-a",
	} {
		if got := fileName(name); got != want {
			t.Errorf("fileName(%q) = %q, want %q", name, got, want)
		}
	}
}

// Whatever a scenario is called, its Result is one file in the present directory.
func FuzzFileName(f *testing.F) {
	for _, s := range []string{"quickstart", "../x", "a/b", "\x1b[2J", ".", "-o", strings.Repeat("x", 1000), "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := fileName(name)
		if got == "" || filepath.Base(got) != got || got[0] == '.' || got[0] == '-' {
			t.Errorf("fileName(%q) = %q", name, got)
		}
		if len(got)+len(".result.json")+len("..0123456789.tmp") > 255 {
			t.Errorf("fileName(%q): %d bytes, more than a file system takes", name, len(got))
		}
		for _, r := range got {
			if r <= ' ' || r >= 0x7f || strings.ContainsRune(`/\:*?"<>|$'`, r) {
				t.Errorf("fileName(%q) = %q", name, got)
			}
		}
	})
}

// A real shell must read a quoted word as the word.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "a b", "it's", `"$HOME"`, "`id`", "a\nb", "~", "#x", "!x", "*", "a;b", "-n", `\`, `'\''`, "\x1b[31m", "{a,b}", "x=y", "größe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if strings.ContainsRune(word, 0) || len(word) > 10_000 {
			t.Skip("no argument can hold this")
		}
		out, err := exec.Command("sh", "-c", "printf %s. "+quote(word)).Output() // the dot keeps the trailing newlines
		if err != nil || string(out) != word+"." {
			t.Errorf("quote(%q) = %s, which sh reads as %q (%v)", word, quote(word), out, err)
		}
	})
}
