package webhook

var Signatures = signatures
