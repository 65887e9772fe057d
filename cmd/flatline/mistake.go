package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	neturl "net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// flagMistake says in our words what is wrong with a flag's value, and what it takes.
func flagMistake(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	wants := map[string]string{
		"uint64":   "a whole number from 0 to 18446744073709551615",
		"int":      "a whole number",
		"float64":  "a number",
		"duration": "a duration with its unit: 10s, 250ms, 1m30s",
		"bool":     "true or false",
	}
	f := bad.GetFlag()
	want, known := wants[f.Value.Type()]
	if !known {
		return err
	}
	return hint(fmt.Errorf("--%s: %q is not %s", f.Name, bad.GetValue(), want), strings.ReplaceAll(f.Usage, "`", ""))
}

// sections are keys at the beginning of a line that every scenario has, and no JSON.
var sections = regexp.MustCompile(`(?m)^(target|clients)[ \t]*:`)

// isScenario returns an error when the file that is meant to be a Result is a scenario.
func isScenario(path string) error {
	src, err := os.ReadFile(path)
	if err != nil || !sections.Match(src) {
		return nil
	}
	return hint(fmt.Errorf("%s is a scenario, not the Result of one", quote(path)),
		fmt.Sprintf("flatline run %s writes a Result; flatline check %[1]s prints the plan", quote(path)))
}

// taken returns an error when somebody listens already where a command is about to. The clients would measure that
// process, and not the one that faults stop and kill.
func taken(ctx context.Context, url string) error {
	u, err := neturl.Parse(url)
	if err != nil {
		return nil // reported when the scenario was read
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil
	}
	defer c.Close()
	if c.LocalAddr().String() == c.RemoteAddr().String() {
		return nil // a free port of the ephemeral range that has connected to itself
	}
	return hint(fmt.Errorf("%s is taken: another process listens there, before target.command has been started", addr),
		"end that process (ss -ltnp names it), or give the command and target.url another port")
}
