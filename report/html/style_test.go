package html

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// colors reads the variables of a theme from the style sheet.
func colors(t *testing.T, dark bool) map[string][3]float64 {
	t.Helper()
	css := asset("page.css")
	light, rest, _ := strings.Cut(css, "@media screen and (prefers-color-scheme: dark)")
	text := light
	if dark {
		text, _, _ = strings.Cut(rest, "* {")
	}
	out := map[string][3]float64{}
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseUint(m[2], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		out[m[1]] = [3]float64{linear(v >> 16), linear(v >> 8 & 255), linear(v & 255)}
	}
	if len(out) < 25 {
		t.Fatalf("only %d colours", len(out))
	}
	return out
}

// linear undoes the transfer function of sRGB (WCAG 2.2, relative luminance).
func linear(v uint64) float64 {
	c := float64(v) / 255
	if c <= 0.04045 {
		return c / 12.92
	}
	return math.Pow((c+0.055)/1.055, 2.4)
}

func luminance(c [3]float64) float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

// contrast is the contrast ratio of WCAG 2.2.
func contrast(a, b [3]float64) float64 {
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

// Text has a contrast of 4.5 with what it stands on, and what a chart draws has 3 (WCAG AA, 1.4.3 and 1.4.11), in both
// themes.
func TestContrast(t *testing.T) {
	for name, dark := range map[string]bool{"light": false, "dark": true} {
		c := colors(t, dark)
		for _, text := range []string{"fg", "muted", "link", "good", "bad", "unsure", "running", "lane-text", "band-line"} {
			for _, under := range []string{"bg", "soft"} {
				if r := contrast(c[text], c[under]); r < 4.5 {
					t.Errorf("%s: %s on %s has a contrast of %.2f", name, text, under, r)
				}
			}
		}
		for v := range c {
			if strings.HasPrefix(v, "c-") || v == "lane" {
				if r := contrast(c[v], c["bg"]); r < 3 {
					t.Errorf("%s: %s has a contrast of %.2f", name, v, r)
				}
			}
		}
	}
}

// deficiencies are the matrices of G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A Physiologically-based Model for
// Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, at severity 1, on linear RGB.
var deficiencies = map[string][3][3]float64{
	"normal":       {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// lab is CIE L*a*b* of a linear sRGB colour under D65.
func lab(c [3]float64) [3]float64 {
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x := f((0.4124564*c[0] + 0.3575761*c[1] + 0.1804375*c[2]) / 0.95047)
	y := f(0.2126729*c[0] + 0.7151522*c[1] + 0.0721750*c[2])
	z := f((0.0193339*c[0] + 0.1191920*c[1] + 0.9503041*c[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// Colours that meet in one chart can be told apart by people who do not see some of them: their distance (CIE 1976) is
// several times what can just be noticed, which is about 2.3.
func TestColorBlind(t *testing.T) {
	together := [][]string{
		{"c-open", "c-suspect", "c-connecting", "c-backoff"},
		{"c-open", "c-zombie"},
		{"c-connecting", "c-backoff", "c-suspect"},
		{"c-quiet", "c-suspect", "c-connecting"},
		{"c-run1", "c-run2", "c-run3", "c-run4"},
	}
	for theme, dark := range map[string]bool{"light": false, "dark": true} {
		c := colors(t, dark)
		for kind, m := range deficiencies {
			see := func(name string) [3]float64 {
				var out [3]float64
				for i := range m {
					for k := range 3 {
						out[i] += m[i][k] * c[name][k]
					}
					out[i] = math.Min(math.Max(out[i], 0), 1)
				}
				return lab(out)
			}
			for _, set := range together {
				for i, a := range set {
					for _, b := range set[:i] {
						x, y := see(a), see(b)
						if d := math.Hypot(math.Hypot(x[0]-y[0], x[1]-y[1]), x[2]-y[2]); d < 12 {
							t.Errorf("%s, %s: %s and %s are %.1f apart", theme, kind, a, b, d)
						}
					}
				}
			}
		}
	}
}
