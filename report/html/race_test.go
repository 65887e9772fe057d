//go:build race

package html

// raceFactor makes the large run smaller where every memory access is watched.
const raceFactor = 20
