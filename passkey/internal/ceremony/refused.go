package ceremony

import "fmt"

// A Reason says why a response was refused. Reasons are stable: the corpus in testdata has them.
type Reason string

// The reasons. Malformed alone says nothing of who sent the response: nobody is counted for it.
const (
	Malformed   Reason = "malformed"    // the response has not the form that the standard gives it
	Type        Reason = "type"         // the client data is of another ceremony
	Challenge   Reason = "challenge"    // not the challenge that was asked with
	Origin      Reason = "origin"       // from a page or an app that is not in the list
	CrossOrigin Reason = "cross-origin" // from a frame in a page that is not in the list
	RPID        Reason = "rp-id"        // made for another Relying Party
	Presence    Reason = "presence"     // nobody touched the authenticator
	Backup      Reason = "backup"       // backed up, and yet not eligible for it
	Algorithm   Reason = "algorithm"    // a key of an algorithm that was not asked for
	Key         Reason = "key"          // a key that cannot be one of its algorithm
	Signature   Reason = "signature"    // not signed by the key
	Attestation Reason = "attestation"  // an attestation that is wrong, or is missing where it is demanded
)

// Refused is the error of every response that is not accepted.
type Refused struct {
	Reason Reason
	detail string // for whoever builds a client; without anything secret
}

func (r *Refused) Error() string { return "passkey: " + string(r.Reason) + ": " + r.detail }

func refuse(r Reason, format string, args ...any) error {
	return &Refused{Reason: r, detail: fmt.Sprintf(format, args...)}
}
