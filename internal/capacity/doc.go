// Package capacity is what a search for a target's capacity leaves and what that means: the file that an interrupted
// search continues from ([File]), what one run of the scenario says about one number of clients ([Probe]), and the report
// made of both ([Report]): the edge, what broke there, what a client costs, the largest storm that was survived.
//
// It reads Results and never drives anything, so that the same probes can come from a run, a file or a test.
//
// # What counts as what
//
// A probe passes if every expectation of the scenario holds, and fails if one does not, or if the target's process ends.
// It is inconclusive where the run was, and also where an expectation failed although flatline itself was overloaded
// (one of its timers in a hundred at least 100 ms late) and the target has not refused anybody in words: such a failure
// says something about this machine, and the target is not blamed for it.
package capacity
