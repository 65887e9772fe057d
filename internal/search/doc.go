// Package search finds the largest number that an unreliable, slow and expensive test still passes: how many clients a
// server holds, when each answer costs a run of a minute and now and then one is wrong or says nothing at all.
//
// It is pure: no clock, no socket, no randomness. [Search.Next] says which number to try, [Search.Observe] takes what came
// of it, [Search.Answer] says what is known by now. Everything is derived from the evidence alone, that is from how often
// each number has passed, failed or said nothing, and not from the way there: a search that is interrupted and fed its
// observations again, in any order, goes on to the same answer, and one whose upper limit is raised afterwards just
// continues.
//
// # How it goes
//
//	grow     from Start by doubling until something fails, or by halving until something passes
//	bisect   between the largest that passes and the smallest that fails, until they are as near as Precision says
//	confirm  both again, until each has 1 + Confirm more votes on its side than against it
//
// A number with votes on both sides is asked again until one side leads by 1 + Confirm, so that a single wrong answer does
// not decide; one that is still undecided after 3 + 2 x Confirm votes flaps. The answer is then a range: from the largest
// number below all that ever proved unreliable, to the smallest above it that reliably fails. A number that says nothing
// 1 + Repeats times before it is decided is blurred: the test cannot tell, and the search goes on below it.
//
// # How long it takes
//
// Without noise: log2 of the ratio between Start and the edge, then log2(1/Precision) for the bisection, then 2 x Confirm.
// Every number is asked at most 4 + 2 x Confirm + Repeats times. Each number that contradicts its own first answer is a
// surprise; from the fourth on each doubles the distance at which the bisection stops, so that even answers by chance, or
// by an opponent, come to an end within the bound of [Config.Most].
package search
