package scenario

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

//go:embed profiles/*.yaml
var profileFiles embed.FS

// profile is a client of the real world as written: its tuning, what its upgrade request looks like, and how its server
// talks.
type profile struct {
	Tuning `yaml:",inline"`

	Path         string         `yaml:"path" doc:"Where its server is, for targets without a path of their own."`
	Subprotocols []string       `yaml:"subprotocols" doc:"WebSocket subprotocols that it offers."`
	Server       *profileServer `yaml:"server" doc:"How its server talks; without it the embedded server echoes."`
}

// Profiles are the names of the built-in profiles, sorted.
func Profiles() []string {
	entries, err := profileFiles.ReadDir("profiles")
	if err != nil {
		panic("scenario: embedded profiles: " + err.Error()) // the build put them there
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names) // not the order of the files: '-' sorts before '.'
	return names
}

// ProfileYAML is the text of a built-in profile.
func ProfileYAML(name string) ([]byte, bool) {
	if strings.ContainsAny(name, "/\\") {
		return nil, false
	}
	text, err := profileFiles.ReadFile("profiles/" + name + ".yaml")
	return text, err == nil
}

// Profile is a built-in profile, with the comment that opens it: formula, source, trade-off.
func Profile(name string) (cfg heartbeat.Config, doc string, err error) {
	p, ok := profileOf(name)
	if !ok {
		hint := didYouMean(name, Profiles())
		return cfg, "", &Problem{Message: fmt.Sprintf("profile %q is unknown", name), Hint: hint}
	}
	text, _ := ProfileYAML(name)
	return p.config(), intentOf(string(text)), nil
}

var profileCache sync.Map // name -> *profile, read-only

// profileOf is the profile as written.
func profileOf(name string) (*profile, bool) {
	if p, ok := profileCache.Load(name); ok {
		return p.(*profile), true
	}
	text, ok := ProfileYAML(name)
	if !ok {
		return nil, false
	}
	p, err := parseProfile("profiles/"+name+".yaml", text)
	if err != nil {
		panic("scenario: embedded profile: " + err.Error()) // a test loads every one
	}
	profileCache.Store(name, p)
	return p, true
}

// parseProfile reads a profile and checks it by itself.
func parseProfile(path string, text []byte) (*profile, error) {
	var p profile
	d, problems := parseInto(path, text, &p)
	if d == nil {
		return nil, problems.err()
	}
	c := &checker{d}
	cfg := c.tuning("", &p.Tuning)
	c.request("", &Group{Path: p.Path, Subprotocols: p.Subprotocols})
	if p.Server != nil {
		c.server("server", p.Server, &cfg)
	}
	return &p, c.problems.err()
}
