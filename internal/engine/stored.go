package engine

import "github.com/gatehouse-go/gatehouse/internal/core"

// StoredToken is what is stored of a token, for a command that shows it. It has nothing that a token could be found by
// or made from: no secret and no digest. Moments are Unix seconds, 0 for never.
type StoredToken struct {
	ID, Account, Kind, Name string

	Scopes    []string
	Resources *[]string // nil: not restricted; empty: none
	Networks  *[]string

	Rotations int          // of its secret
	Grace     []StoredCopy // rotated copies that were in their grace at the last save, the latest first
	Lines     int          // of secrets that it knows: its minting and each rotation by its owner begin one

	Created, NotBefore, Expires, Revoked int64

	Lifetime int64 // seconds, from the last minting, rotation or renewal on
	Warned   int   // days before its end for which its owner was told
	Epoch    int64 // the account's token epoch at the minting
	Birth    int64 // core.Account.Birth of the account that is told of it

	Proof       core.Kind // Vouched, SecondFactor or OperatorsWord
	Operator    string    // of the last
	ProofMethod string
	ProofAt     int64
	Vouched     int64 // when its owner last minted, rotated or renewed it

	NeedsFactor, RotatesItself bool

	Ancestry core.Ancestry // the versions before
}

// StoredCopy is a rotated copy of a token.
type StoredCopy struct {
	Until int64 // it works until then
	Told  bool  // that it was presented to be rotated
}
