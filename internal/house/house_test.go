package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/flatline-dev/flatline/"

// table: what a package of this module may import of it, and why no more.
var table = map[string]struct {
	may    []string
	std    bool // nothing from outside the standard library
	reason string
}{
	"cmd/flatline": {
		may:    []string{"scenario", "chaos", "chaos/stream", "chaos/packet", "chaos/kernel", "chaos/process", "report", "report/compare", "report/html", "internal/heartbeat", "internal/fleet", "internal/sim", "internal/tune", "internal/calibrate", "internal/server", "internal/search", "internal/capacity", "internal/metrics", "internal/proxy", "internal/session"},
		reason: "the command wires everything; nothing imports it",
	},
	"internal/fleet": {
		may:    []string{"scenario", "chaos", "report", "internal/heartbeat"},
		reason: "a driver; it never sees the other driver, so that both can be held against each other",
	},
	"internal/sim": {
		may:    []string{"scenario", "chaos", "report", "internal/heartbeat", "internal/dialect"},
		reason: "a driver; it never sees the other driver, so that both can be held against each other",
	},
	"internal/calibrate": {
		may:    []string{"scenario", "chaos", "report", "internal/sim"},
		reason: "it fits the simulator to a Result; who made the Result does not matter",
	},
	"internal/tune": {
		may:    []string{"scenario", "chaos", "report", "internal/heartbeat", "internal/sim"},
		reason: "it searches in the simulator and reads Results; real runs are handed to it",
	},
	"internal/metrics": {
		may:    []string{"report", "internal/heartbeat"},
		reason: "it shows what the report's recorder has, and counts nothing itself",
	},
	"internal/proxy": {
		may:    []string{"scenario", "chaos", "chaos/stream", "report"},
		reason: "the other driver of the stream engine, for clients that are not ours: it knows faults, sockets and how to print, and no client machine",
	},
	"internal/delivery": {std: true, reason: "a leaf: accounts of numbers, without a clock, a frame or a file, so that any history can be put to them"},
	"internal/search":   {std: true, reason: "a leaf: a search without a clock, a run or a file"},
	"internal/capacity": {
		may:    []string{"scenario", "chaos", "report", "internal/heartbeat", "internal/search"},
		reason: "it reads Results and never drives anything, so that the same probes can come from a run, a file or a test",
	},
	"internal/server": {
		may:    []string{"internal/dialect", "internal/heartbeat", "internal/session", "chaos"},
		reason: "the target is a black box to the rest, as any other target; it knows how real servers talk, in the words for frames and for goodbyes",
	},
	"internal/session": {
		may:    []string{"internal/delivery"},
		reason: "what outlives a connection and a node: numbers and positions, and nothing of connections or frames",
	},
	"internal/dialect": {
		may:    []string{"internal/heartbeat"},
		reason: "how real servers talk, in the words for frames; what both servers share, and nothing of how they run",
	},
	"internal/server/tlstest": {reason: "it makes certificates for tests"},
	"internal/house":          {reason: "it only reads source files"},
	"chaos/stream":            {may: []string{"chaos"}, reason: "an adapter knows the words for faults and the sockets it hurts, nothing of clients or reports"},
	"chaos/process":           {may: []string{"chaos"}, reason: "an adapter knows the words for faults and the processes it hurts, nothing of clients or reports"},
	"chaos/packet":            {may: []string{"chaos"}, reason: "an adapter knows the words for faults and the packets it hurts, nothing of clients or reports"},
	"chaos/kernel":            {may: []string{"chaos"}, reason: "an adapter knows the words for faults and the packets it hurts, nothing of clients or reports"},
	"report": {
		may:    []string{"scenario", "chaos", "internal/heartbeat", "internal/delivery"},
		reason: "it reads words (plan, faults, outputs) and never a driver, so that any driver can be reported on",
	},
	"report/compare": {
		may:    []string{"scenario", "report"},
		reason: "it reads Results and nothing that made them, so that any two can be compared",
	},
	"report/html": {
		may:    []string{"report", "scenario", "chaos", "internal/heartbeat"},
		reason: "a renderer: it reads Results and words, and never a driver",
	},
	"scenario": {
		may:    []string{"chaos", "internal/heartbeat", "internal/dialect"},
		reason: "a scenario is made of faults and client configurations, and knows nothing of how they run",
	},
	"chaos":              {std: true, reason: "a leaf: words that every package shares"},
	"internal/heartbeat": {may: []string{"internal/delivery"}, std: true, reason: "the client without a clock, a socket or a file; of numbers that arrived it keeps the same sets as the accounts"},
}

// onlyIn: a module that only one package may import.
var onlyIn = map[string]string{"gvisor.dev/gvisor": "chaos/packet", "github.com/google/nftables": "chaos/kernel", "github.com/prometheus/client_golang": "internal/metrics", "github.com/nats-io": "internal/session"}

// clockReaders may call time.Now and its relatives; everything else takes the time as an argument.
var clockReaders = []string{"cmd/flatline", "internal/fleet", "internal/server", "internal/session", "internal/proxy", "chaos/stream", "chaos/packet", "chaos/kernel", "chaos/process"}

type file struct {
	pkg, path string
	test      bool
	imports   []string
}

func files(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f := file{pkg: filepath.ToSlash(filepath.Dir(rel)), path: rel, test: strings.HasSuffix(path, "_test.go")}
		for _, i := range parsed.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, name)
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("found only %d Go files: is the test still where it was?", len(out))
	}
	return out
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range files(t) {
		row, ok := table[f.pkg]
		if f.test {
			continue // tests may look across: that is how two drivers are compared
		}
		if !ok {
			t.Errorf("%s: package %s has no row in the table of imports: add one with its reason", f.path, f.pkg)
			continue
		}
		seen[f.pkg] = true
		for _, i := range f.imports {
			own, isOwn := strings.CutPrefix(i, module)
			switch {
			case isOwn && !slices.Contains(row.may, own):
				t.Errorf("%s imports %s: %s", f.path, own, row.reason)
			case !isOwn && row.std && strings.Contains(strings.Split(i, "/")[0], "."):
				t.Errorf("%s imports %s, and only the standard library is allowed: %s", f.path, i, row.reason)
			}
			for m, pkg := range onlyIn {
				if strings.HasPrefix(i, m) && f.pkg != pkg {
					t.Errorf("%s imports %s, which only %s may", f.path, i, pkg)
				}
			}
		}
	}
	for pkg := range table {
		if !seen[pkg] && pkg != "internal/house" {
			t.Errorf("the table names %s, which has no Go files", pkg)
		}
	}
}

// TestClock: only the edges read the clock or sleep; everything else takes the time as an argument.
func TestClock(t *testing.T) {
	readers := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	for _, f := range files(t) {
		if f.test || slices.Contains(clockReaders, f.pkg) || !slices.Contains(f.imports, "time") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, filepath.Join("..", "..", f.path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(readers, sel.Sel.Name) {
				t.Errorf("%s reads the clock (time.%s); only %s may", set.Position(sel.Pos()), sel.Sel.Name, strings.Join(clockReaders, ", "))
			}
			return true
		})
	}
}
