// Package tune searches the settings of a heartbeating client - interval, timeout, misses, reconnect policy - in the
// simulator and says what each one buys and costs.
//
// A setting is judged by five objectives, all of them to be small: how late a dead path is noticed, how often a healthy
// peer is declared dead, what the beats cost, how hard the clients come back, and how long until they are back. No
// setting is best in all five: a short timeout notices soon and errs often, short delays bring everybody back soon and at
// once. What remains after leaving out every setting that another one beats in all respects is the Pareto front.
//
// All settings run under the same seed, so that they meet the same victims, losses and phases (common random numbers):
// the difference between two settings is much less noisy than either of them. Still, differences of less than
// [Resolution] are treated as none.
//
// What is simulated is the scenario itself, so the answer is only as good as its faults. A scenario without loss or delay
// never tempts a short timeout into a mistake, and [Study.Caveats] says so; internal/sim says what its model leaves out.
package tune
