package compare

import (
	"encoding/json"
	"io"
)

// WriteJSON writes the comparison in its versioned form, which docs/compare.md describes.
func WriteJSON(w io.Writer, c *Comparison) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(c)
}
