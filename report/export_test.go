package report

// Corpus is for tests of packages that import this one: the page, which lives in a package of its own, has to agree too.
var Corpus = corpus
