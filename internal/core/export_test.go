package core

// For the tests of the encoding.
var Kinds = kinds.byNumber

func (h Hash) Broken() bool { return h.broken() }
