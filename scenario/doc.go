// Package scenario holds the words of a scenario file.
//
// As written is not as run: a [File] is what [Load] read, a [Plan] what [File.Plan] made of it, with every default filled
// in, every profile resolved, every fault scheduled and its victims named by the seed. Reading is strict and tells all
// mistakes at once, each with its place, the line and, where it is known, the way out (see [Problems]).
//
// A File's types carry, in their struct tags, everything that the parser, the JSON Schema ([Schema]) and the encoder of
// plans know about the language. Expectations are read by [ParseExpect] against the metric table ([Metrics]). Named
// clients of the real world are in profiles/ ([Profiles]).
//
// A Plan is written to JSON in the words of a scenario that leaves nothing to defaults, and read back from it as the same
// plan: equal plans have the same [Plan.Hash].
package scenario
