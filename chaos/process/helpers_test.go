//go:build linux || darwin

package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// act is the environment variable that makes the test binary one of the children below.
const act = "FLATLINE_PROCESS_TEST"

func TestMain(m *testing.M) {
	if IsGuardian() {
		GuardianMain()
	}
	switch os.Getenv(act) {
	case "":
		os.Exit(m.Run())
	case "ticks": // prints where it is and then counts
		fmt.Println("ready", os.Getpid(), os.Args[1:])
		for i := 0; ; i++ {
			fmt.Println("tick", i)
			time.Sleep(2 * time.Millisecond)
		}
	case "tree": // a command whose work is done by a child, as npm start
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), act+"=ticks")
		cmd.Stdout = os.Stdout
		cmd.Run()
	case "stubborn": // does not heed SIGTERM
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready", os.Getpid())
		select {}
	case "fails":
		fmt.Fprintln(os.Stderr, "no port")
		os.Exit(3)
	case "mute":
		select {}
	case "listens": // with a backlog of so many, and accepts nobody
		listensMain()
	case "input": // ends with its standard input
		fmt.Println("ready", os.Getpid())
		bufio.NewReader(os.Stdin).ReadString('\n')
	case "parent":
		parentMain()
	}
}

// parentMain stalls a child of its own and the process that it is given, says so, and waits to be killed.
func parentMain() {
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	given, err := strconv.Atoi(os.Getenv("GIVEN"))
	check(err)
	other, err := Attach(given)
	check(err)
	own, err := Start(context.Background(), Spec{Args: []string{os.Args[0]}, Env: append(os.Environ(), act+"="+os.Getenv("CHILD")), Ready: isReady})
	check(err)
	check(New(own, other).Begin(&chaos.Fault{Kind: chaos.Stall}, chaos.Occurrence{}, nil))
	g, err := sharedGuardian()
	check(err)
	json.NewEncoder(os.Stdout).Encode(pids{own.PID(), given, g.pid})
	select {}
}

type pids struct{ Own, Given, Guardian int }

func isReady(line string) bool { return strings.HasPrefix(line, "ready") }

// screen is what a child has printed.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// ticks are the numbers printed so far; it fails unless they are consecutive since the last start.
func (s *screen) ticks(t *testing.T) int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.text.String()
	n := 0
	for _, line := range strings.Split(text[:strings.LastIndex(text, "\n")+1], "\n") {
		if isReady(line) {
			n = 0
		}
		if i, ok := strings.CutPrefix(line, "tick "); ok {
			if i != strconv.Itoa(n) {
				t.Fatalf("tick %s after %d ticks", i, n)
			}
			n++
		}
	}
	return n
}

// child is the Spec of one of the children in TestMain.
func child(kind string, out *screen, args ...string) Spec {
	return Spec{
		Args: append([]string{os.Args[0]}, args...), Env: append(os.Environ(), act+"="+kind), Stdout: out, Ready: isReady,
	}
}

func startChild(t *testing.T, spec Spec) *Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	p, err := Start(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if left := members(p.PID()); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return p
}

// plain starts a child that this package knows nothing of.
func plain(t *testing.T, kind string, out *screen, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), act+"="+kind), env...)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// frozen checks that the screen stands still, and runs checks that it moves again by more than a hiccup.
func frozen(t *testing.T, out *screen) {
	t.Helper()
	time.Sleep(20 * time.Millisecond) // what was in the pipe arrives
	before := out.ticks(t)
	time.Sleep(60 * time.Millisecond)
	if after := out.ticks(t); after != before {
		t.Errorf("%d ticks while stopped", after-before)
	}
}

func runs(t *testing.T, out *screen) {
	t.Helper()
	n := out.ticks(t)
	until(t, "ten more ticks", func() bool { return out.ticks(t) > n+10 })
}
