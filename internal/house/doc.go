// Package house holds the project to its own structure: which package may import which, with the reason for each row.
// It has only a test.
package house
