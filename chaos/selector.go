package chaos

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// String prints the selector as a scenario writes it: all, 33%, 500, browsers, 33% of browsers, 500 of browsers.
// A group whose name is no plain word is quoted. [ParseSelector] reads it back.
func (s Selector) String() string {
	var head string
	switch {
	case s.Percent != 0:
		head = strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%"
	case s.Count != 0:
		head = strconv.Itoa(s.Count)
	case s.Group == "":
		return "all"
	default:
		return quoteWord(s.Group)
	}
	if s.Group != "" {
		head += " of " + quoteWord(s.Group)
	}
	return head
}

// ParseSelector is the inverse of [Selector.String]; "all of browsers" is "browsers". A share outside of (0,100] and a
// count below 1 are errors: they would select nobody.
func ParseSelector(s string) (Selector, error) {
	words, err := splitWords(s)
	if err != nil {
		return Selector{}, err
	}
	sel, used, err := parseSelector(words)
	if err != nil {
		return Selector{}, err
	}
	if used != len(words) {
		return Selector{}, fmt.Errorf("%q after the selector %q", words[used].text, sel)
	}
	return sel, nil
}

// parseSelector reads a selector at the front of words and says how many of them it used.
func parseSelector(words []word) (sel Selector, used int, err error) {
	if len(words) == 0 {
		return sel, 0, fmt.Errorf("no selector; hint: all, 33%%, 500, a group, or 33%% of a group")
	}
	w := words[0]
	used = 1
	switch {
	case w.quoted:
		if w.text == "" {
			return sel, 0, fmt.Errorf("an empty group name")
		}
		sel.Group = w.text
		return sel, used, nil
	case w.text == "all": // the zero Selector, or a whole group
	case strings.HasSuffix(w.text, "%"):
		p, err := strconv.ParseFloat(strings.TrimSuffix(w.text, "%"), 64)
		if err != nil || math.IsNaN(p) {
			return sel, 0, fmt.Errorf("%q is not a share; hint: 33%%", w.text)
		}
		if p <= 0 || p > 100 {
			return sel, 0, fmt.Errorf("share %s is not in (0%%,100%%]", w.text)
		}
		sel.Percent = p
	case w.text[0] >= '0' && w.text[0] <= '9' || w.text[0] == '-' || w.text[0] == '+':
		n, err := strconv.Atoi(w.text)
		if err != nil {
			return sel, 0, fmt.Errorf("%q is not a number of clients; hint: 500 or 33%%", w.text)
		}
		if n < 1 {
			return sel, 0, fmt.Errorf("%d clients would be nobody", n)
		}
		sel.Count = n
	case plainWord(w.text):
		sel.Group = w.text
		return sel, used, nil
	default:
		return sel, 0, fmt.Errorf("%q is not a selector; hint: all, 33%%, 500, a group, or 33%% of a group", w.text)
	}
	if len(words) > 1 && !words[1].quoted && words[1].text == "of" {
		if len(words) < 3 || words[2].text == "" || !words[2].quoted && !plainWord(words[2].text) {
			return sel, 0, fmt.Errorf("no group after %q", w.text+" of")
		}
		sel.Group = words[2].text
		return sel, 3, nil
	}
	return sel, used, nil
}
