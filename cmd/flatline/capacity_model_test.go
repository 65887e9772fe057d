package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/internal/capacity"
	"github.com/flatline-dev/flatline/scenario"
)

// storming is a search through docs/capacity-storm.yaml that holds whoever is asked up to 400, and has seen the rate.
func storming(t *testing.T, rates []float64, change func(*capacityFlags)) *hunt {
	t.Helper()
	text, err := os.ReadFile("../../docs/capacity-storm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	scene, err := scenario.Parse("storm.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := scene.Plan()
	if err != nil {
		t.Fatal(err)
	}
	flags := &capacityFlags{beyond: 10, settings: capacity.Settings{Start: 400, Min: 1, Max: 400}}
	if change != nil {
		change(flags)
	}
	file := &capacity.File{Format: capacity.Format, Version: capacity.Version, Settings: flags.settings,
		Probes: []capacity.Probe{{Clients: 400, Verdict: capacity.Pass, Handshakes: capacity.Handshakes{Most: 1000, Saturated: rates}}}}
	return newHunt(&app{strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}}, plan, scene, file, "", flags)
}

// The modelled edge of capacity-storm is the one that its comment works out by hand: 99 % of N are back 0.5 s and
// 0.99 N / 300 s after the reset, which is below 3 s up to N = 757.
func TestModelFindsTheClosedForm(t *testing.T) {
	h := storming(t, []float64{299, 300, 301}, nil)
	h.model(context.Background())
	m := h.file.Model
	if m == nil || m.Skipped != "" || m.Rate != 300 {
		t.Fatalf("%+v", m)
	}
	if m.Holds > 757 || m.Fails <= 757 || float64(m.Fails-m.Holds) > 0.06*757 {
		t.Errorf("the model holds %d and not %d, and the edge is at 757", m.Holds, m.Fails)
	}
	// A rate that the user knows stands in for the one that was seen: twice the rate, twice the clients.
	h = storming(t, nil, func(c *capacityFlags) { c.handshakes = 600 })
	h.model(context.Background())
	if m := h.file.Model; !m.Given || m.Holds > 1515 || m.Fails <= 1515 {
		t.Errorf("with 600/s: %+v", m)
	}
}

// Where nothing can be modelled, the report says why.
func TestModelSkips(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*hunt)
		want   string
	}{
		{"never at its limit", func(*hunt) {}, "the target opened 1000 connections a second and was never seen at its limit"},
		{"nothing seen", func(h *hunt) { h.file.Probes[0].Handshakes = capacity.Handshakes{} }, "no handshake rate could be told"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := storming(t, nil, nil)
			tt.change(h)
			h.model(context.Background())
			if m := h.file.Model; m == nil || !strings.Contains(m.Skipped, tt.want) || len(m.Probes) > 0 {
				t.Errorf("%+v", m)
			}
		})
	}
	h := storming(t, []float64{300}, func(c *capacityFlags) { c.beyond = 0 })
	if h.model(context.Background()); h.file.Model != nil {
		t.Errorf("--beyond 0: %+v", h.file.Model)
	}
}
