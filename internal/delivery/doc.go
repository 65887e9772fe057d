// Package delivery is the accounting of messages: who sent what, what was acknowledged, what arrived where, and what is
// missing. It knows numbers only, no frames and no clock, so that the same ledger serves a run, a test and a replayed log.
//
// A publisher numbers its messages from 1 without gaps. A stream is what one publisher owes one receiver. Both are kept as
// sets of intervals ([Set]): memory grows with the number of separate gaps, never with the number of messages.
package delivery
