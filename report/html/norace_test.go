//go:build !race

package html

const raceFactor = 1
