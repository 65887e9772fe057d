package tune

import (
	"encoding/json"

	"github.com/flatline-dev/flatline/report"
)

// Format and Version identify the JSON form of a study.
const (
	Format  = "flatline.study"
	Version = 1
)

type studyJSON struct {
	Format   string        `json:"format"`
	Version  int           `json:"version"`
	Name     string        `json:"name"`
	Group    string        `json:"group,omitempty"`
	Seed     uint64        `json:"seed"`
	Clients  int           `json:"clients"`
	Duration float64       `json:"duration"` // seconds, simulated per setting
	Minimize string        `json:"minimize"` // an objective, or balance
	Advice   string        `json:"advice"`
	Best     int           `json:"best"` // index into settings; -1: none
	Caveats  []string      `json:"caveats"`
	Settings []settingJSON `json:"settings"` // the scenario's own first
}

type settingJSON struct {
	Interval   float64                  `json:"interval"` // seconds
	Timeout    float64                  `json:"timeout"`
	Misses     int                      `json:"misses"`
	Reconnect  string                   `json:"reconnect"` // in words
	YAML       string                   `json:"yaml"`      // as it would stand in a group
	Refused    string                   `json:"refused,omitempty"`
	Front      bool                     `json:"front"`
	Values     map[string]report.Number `json:"values,omitempty"`      // by objective; "inf": it never happened; absent: not measured
	Closed     bool                     `json:"closed,omitempty"`      // detection is the closed form's
	ClientDays float64                  `json:"client_days,omitempty"` // behind false-positives
	Failed     []string                 `json:"failed,omitempty"`      // expectations
	Real       map[string]report.Number `json:"real,omitempty"`        // values of a real run, where there was one
}

func numbers(s *Score) map[string]report.Number {
	m := map[string]report.Number{}
	for o, v := range s.Values {
		if v == v {
			m[Objective(o).String()] = report.Number(v)
		}
	}
	return m
}

// JSON is the study with all its settings.
func (st *Study) JSON() ([]byte, error) {
	out := studyJSON{Format: Format, Version: Version, Name: st.Name, Group: st.Group, Seed: st.Seed, Clients: st.Clients,
		Duration: st.Duration.Seconds(), Minimize: "balance", Advice: st.Advice(), Best: st.Best, Caveats: append([]string{}, st.Caveats...)}
	if st.Minimize < Objectives {
		out.Minimize = st.Minimize.String()
	}
	for i := range st.Candidates {
		c := &st.Candidates[i]
		s := settingJSON{Interval: c.Setting.Interval.Seconds(), Timeout: c.Setting.Timeout.Seconds(), Misses: c.Setting.Misses,
			Reconnect: c.Setting.Policy(), YAML: c.Setting.YAML(), Refused: c.Refused, Front: c.Front, Closed: c.Score.Closed,
			ClientDays: c.Score.ClientDays, Failed: c.Score.Failed}
		if c.Refused == "" {
			s.Values = numbers(&c.Score)
		}
		if c.Real != nil {
			s.Real = numbers(c.Real)
		}
		out.Settings = append(out.Settings, s)
	}
	text, err := json.MarshalIndent(out, "", "  ")
	return append(text, '\n'), err
}
