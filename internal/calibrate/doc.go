// Package calibrate fits the simulator's model to what a real run measured, and says how far the simulated figures are
// from the measured ones.
//
// Fitted are, in this order:
//
//   - round trips: those of the beats between the end of the ramp and the first fault, as they were recorded;
//   - the work of one handshake: the mean handshake latency (attempt to open, of those who came back) of the largest storm
//     after a kill is met by bisection over simulated runs. It grows with the work, since the server does one handshake at a time. Where
//     the scenario itself limits handshakes per second, that limit is the model already.
//
// What has no counterpart in the model stays a difference, and shows as one: a fault takes a moment until it is in force
// for every victim, a restarted process needs a moment until it listens, a client's own CPU is busy in a storm, a kernel
// retransmits in its own time.
package calibrate
