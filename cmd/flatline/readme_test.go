package main

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateReadme = flag.Bool("update-readme", false, "write what the commands of README.md print into it")

// machine matches what a check says of the machine that it runs on.
var machine = regexp.MustCompile(` of \d+( MiB)?`)

// TestReadme runs every block of README.md that begins with "$ flatline" and compares what it prints.
func TestReadme(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```\n\\$ flatline ([^\n]*)\n(.*?)```")
	found := blocks.FindAllSubmatch(text, -1)
	if len(found) < 3 {
		t.Fatalf("README.md has %d commands, want at least 3: is the pattern still right?", len(found))
	}
	for _, b := range found {
		var out bytes.Buffer
		Main(strings.Fields(string(b[1])), strings.NewReader(""), &out, &out)
		if *updateReadme {
			text = bytes.Replace(text, b[0], []byte("```\n$ flatline "+string(b[1])+"\n"+out.String()+"```"), 1)
			continue
		}
		want, got := machine.ReplaceAllString(string(b[2]), ""), machine.ReplaceAllString(out.String(), "")
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("flatline %s prints something else than README.md says (-update-readme writes it):\n%s", b[1], d)
		}
	}
	if *updateReadme {
		if err := os.WriteFile("README.md", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReadmePaths: the files that README.md points to exist.
func TestReadmePaths(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([a-zA-Z][^):]*)\)`).FindAllSubmatch(text, -1)
	if len(links) == 0 {
		t.Fatal("README.md has no links: is the pattern still right?")
	}
	for _, l := range links {
		if _, err := os.Stat(string(l[1])); err != nil {
			t.Error(err)
		}
	}
}
