package scenario

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Span is a time, or a range of times to draw from: `3s`, `6s-12s`; `none` takes back what a profile says.
type Span heartbeat.Span

// noSpan is none.
var noSpan = Span{-1, -1}

// span is what the machine takes; nil: there is none.
func (v *Span) span() *heartbeat.Span {
	if v == nil || *v == noSpan {
		return nil
	}
	return (*heartbeat.Span)(v)
}

// Bands are ranges of factors to draw from: `80%-100%`, or a list of them whose factors multiply.
type Bands []heartbeat.Band

const (
	maxBands = 4
	maxBand  = 10_000 // per cent
)

func (v *Span) decodeNode(d *decoder, n *yaml.Node, path string) { unit(d, n, path, parseSpan, v) }

func parseSpan(s string) (Span, error) {
	if s == "none" {
		return noSpan, nil
	}
	first, last, ranged := strings.Cut(s, "-")
	from, err := parseDuration(strings.TrimSpace(first))
	if err != nil {
		if h := hintOf(err); h != "" && !ranged {
			err = &unitError{err.Error(), h + "; or a range to draw from, 6s-12s"}
		}
		return Span{}, err
	}
	if !ranged {
		return Span{from, from}, nil
	}
	to, err := parseDuration(strings.TrimSpace(last))
	if err != nil {
		return Span{}, err
	}
	if to < from {
		return Span{}, &unitError{fmt.Sprintf("%q ends before it begins", s), fmt.Sprintf("write %s-%s", chaos.FormatDuration(to), chaos.FormatDuration(from))}
	}
	return Span{from, to}, nil
}

func (v Span) String() string {
	if v == noSpan {
		return "none"
	}
	if v.From == v.To {
		return chaos.FormatDuration(v.From)
	}
	return chaos.FormatDuration(v.From) + "-" + chaos.FormatDuration(v.To)
}

func (v *Bands) decodeNode(d *decoder, n *yaml.Node, path string) {
	var band heartbeat.Band
	if n.Kind != yaml.SequenceNode {
		if unit(d, n, path, parseBand, &band) {
			*v = Bands{band}
		}
		return
	}
	if len(n.Content) == 0 || len(n.Content) > maxBands {
		d.fail(n, path, "spread: 80%-100%", "%s must list between 1 and %d bands", lastKey(path), maxBands)
		return
	}
	for i, c := range n.Content {
		if c.Kind == yaml.AliasNode {
			c = c.Alias
		}
		if unit(d, c, fmt.Sprintf("%s[%d]", path, i), parseBand, &band) {
			*v = append(*v, band)
		}
	}
}

func parseBand(s string) (heartbeat.Band, error) {
	bad := &unitError{fmt.Sprintf("%q is no band of factors", s), "from and to in per cent of the delay: 80%-100%"}
	first, last, ok := strings.Cut(s, "-")
	if !ok {
		return heartbeat.Band{}, bad
	}
	var ends [2]float64
	for i, text := range []string{first, last} {
		num, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
		v, err := parseNumber(strings.TrimSpace(num))
		if err != nil || !percent || v > maxBand {
			return heartbeat.Band{}, bad
		}
		ends[i] = v / 100
	}
	if ends[1] < ends[0] || ends[1] == 0 {
		return heartbeat.Band{}, bad
	}
	return heartbeat.Band{From: ends[0], To: ends[1]}, nil
}

func formatBand(b heartbeat.Band) string { return formatPercent(b.From) + "-" + formatPercent(b.To) }

// formatPercent is the shortest text that parseBand reads as the same factor.
func formatPercent(f float64) string {
	for _, v := range []float64{f * 100, float64(int(f*1e4+0.5)) / 100} {
		if v/100 == f && len(formatNumber(v)) < 12 {
			return formatNumber(v) + "%"
		}
	}
	return formatNumber(f*100) + "%"
}
