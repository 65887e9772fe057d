package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/scenario"
)

var update = flag.Bool("update", false, "write the golden reports anew")

func TestGoldenReports(t *testing.T) {
	for name, make := range corpus {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			var plain, again, colour, ascii, narrow bytes.Buffer
			for _, x := range []struct {
				to *bytes.Buffer
				o  TextOptions
			}{{&plain, TextOptions{}}, {&again, TextOptions{Width: 100}}, {&colour, TextOptions{Color: true}}, {&ascii, TextOptions{ASCII: true}}, {&narrow, TextOptions{Width: 80}}} {
				if err := WriteText(x.to, r, x.o); err != nil {
					t.Fatal(err)
				}
			}
			if plain.String() != again.String() {
				t.Error("two reports of one Result differ")
			}
			if strings.ContainsRune(plain.String(), '\x1b') {
				t.Error("an escape character is in the plain report")
			}
			if strings.ContainsAny(ascii.String(), "▁▂▃▄▅▆▇█") {
				t.Error("a block character is in the ASCII report")
			}
			bare := colour.String()
			for _, s := range []string{bold, red, green, yellow, faint, "0"} {
				bare = strings.ReplaceAll(bare, "\x1b["+s+"m", "")
			}
			if bare != plain.String() {
				t.Error("colour changes more than colour")
			}
			for l := range strings.Lines(narrow.String()) {
				if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > 80 && !strings.HasPrefix(l, "again: ") && name != "hostile" { // which has words that are longer
					t.Errorf("%d columns of 80: %s", n, l)
				}
			}
			for l := range strings.Lines(plain.String()) {
				if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > 100 && !strings.HasPrefix(l, "again: ") {
					t.Errorf("%d columns: %s", n, l)
				}
				if strings.TrimRight(l, "\n") != strings.TrimRight(l, " \n") {
					t.Errorf("space at the end of %q", l)
				}
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, plain.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(plain.String(), "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		v    float64
		u    scenario.Unit
		want string
	}{
		{6.512, scenario.Seconds, "6.51 s"}, {0.000213, scenario.Seconds, "0.21 ms"}, {0.0000501, scenario.Seconds, "50 µs"},
		{0.9994, scenario.Seconds, "999 ms"}, {0.9996, scenario.Seconds, "1.00 s"}, {125, scenario.Seconds, "2 m 05 s"},
		{7260, scenario.Seconds, "2 h 01 m"}, {0, scenario.Seconds, "0 s"}, {12345, scenario.Count, "12,345"},
		{1500, scenario.PerSecond, "1,500/s"}, {1 << 30, scenario.Bytes, "1.00 GiB"}, {0.53, scenario.Cores, "0.530 cores"},
		{1, scenario.Ratio, "1.000"}, {-1234, scenario.Count, "-1,234"},
	} {
		if got := FormatValue(c.v, c.u); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.v, c.u, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "a\x1b[31mb": `a\x1b[31mb`, "new\nline\t": `new\nline\t`, "\xff": `\xff`, "naïve 日本": "naïve 日本",
		"\u202eoverride": `\u202eoverride`, "\x9b1m": `\x9b1m`, "toolong" + strings.Repeat("x", 50): "toolong" + strings.Repeat("x", 33) + "…",
	} {
		if got := Clean(in, 40); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSpark(t *testing.T) {
	if got := Spark([]int64{0, 1, 50, 100, 0}, false); got != "·▁▄█·" {
		t.Error(got)
	}
	if got := Spark([]int64{0, 1, 50, 100}, true); got != "_.-#" {
		t.Error(got)
	}
	if got := Spark(nil, false); got != "" {
		t.Error(got)
	}
	for _, step := range sparkSteps {
		for _, cells := range []int{50, 70} {
			if length := step * time.Duration(cells); sparkStep(length, cells) > step {
				t.Errorf("%v does not fit %d cells of %v", length, cells, step)
			}
		}
	}
	if got, want := axis(25, time.Second, sec(13), "over"), "0         10 s ^ over"; !strings.HasPrefix(got, "0         ") || !strings.Contains(got, "^ over") {
		t.Errorf("%q, want like %q", got, want)
	}
}
