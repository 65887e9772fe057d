package scenario

import (
	"embed"
	"fmt"
	"strings"
	"sync"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

//go:embed profiles/*.yaml
var profileFiles embed.FS

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
	t, ok := profileTuning(name)
	if !ok {
		hint := didYouMean(name, Profiles())
		return cfg, "", &Problem{Message: fmt.Sprintf("profile %q is unknown", name), Hint: hint}
	}
	text, _ := ProfileYAML(name)
	return t.config(), intentOf(string(text)), nil
}

var profileCache sync.Map // name -> Tuning, read-only

// profileTuning is the profile as written.
func profileTuning(name string) (Tuning, bool) {
	if t, ok := profileCache.Load(name); ok {
		return t.(Tuning), true
	}
	text, ok := ProfileYAML(name)
	if !ok {
		return Tuning{}, false
	}
	t, err := parseTuning("profiles/"+name+".yaml", text)
	if err != nil {
		panic("scenario: embedded profile: " + err.Error()) // a test loads every one
	}
	profileCache.Store(name, t)
	return t, true
}

// parseTuning reads a profile and checks it by itself.
func parseTuning(path string, text []byte) (Tuning, error) {
	var t Tuning
	d, problems := parseInto(path, text, &t)
	if d == nil {
		return t, problems.err()
	}
	c := &checker{d}
	c.tuning("", &t)
	return t, c.problems.err()
}
