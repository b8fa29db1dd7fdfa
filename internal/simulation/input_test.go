package simulation

import (
	"slices"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

type op string

const (
	before        op = "before"
	challenge     op = "challenge"
	answer        op = "answer"
	stepUp        op = "step up"
	vouch         op = "vouch"
	begin         op = "begin"
	confirm       op = "confirm"
	regen         op = "regenerate"
	disable       op = "disable"
	reset         op = "reset"
	redeem        op = "redeem"
	password      op = "password changed"
	suspend       op = "suspend"
	resume        op = "resume"
	unlock        op = "unlock"
	reseal        op = "reseal"
	imports       op = "import"
	look          op = "look"
	review        op = "review activity"
	mint          op = "mint"
	rotate        op = "rotate"
	revoke        op = "revoke"
	revokeAll     op = "revoke all"
	check         op = "check"
	accept        op = "accept a risk"
	withdraw      op = "withdraw a risk"
	revokeBy      op = "revoke by an operator"
	purge         op = "purge"
	demand        op = "ask for a gate"
	reviewPosture op = "review the posture"
	remove        op = "delete"
	drop          op = "remove a factor"
	cancel        op = "cancel an enrollment"
	revokeAllBy   op = "revoke all by an operator"
	removed       op = "deleted" // the record and its tokens
	goesOn        op = "session"
	rotateSelf    op = "rotate by itself"
	register      op = "register"       // begin a passkey
	finish        op = "finish"         // and turn it on
	ask           op = "ask a passkey"  // what a passkey then signs
	assert        op = "show a passkey" // what it has signed
)

// input is a call as a client made it.
type input struct {
	op       op
	id       int
	account  string
	browser  string
	from, to int64 // by its node's clock, when it began and when it ended

	try              int   // the sign-in that it goes on with, by the call that began it
	challenge, proof int   // what it presents, by the calls that made them
	totp             int   // of which authenticator a code is, -1 for none
	step             int64 // of which step
	set, code        int   // which recovery code, of which set; set -1 for none
	enrollment       int
	reset            int // whose code it presents
	token, secret    int // which token, and whose secret of it
	seen             int
	strong           bool // the proof is by a code of an authenticator
	revoke           bool
	session          int      // whose proof a session keeps
	elsewhere        bool     // and it is in another browser
	gate             string   // that it asks for
	found            reviewed // by a review
	look             int      // which look at the activity it reviews
	production       bool     // the token has a scope of high risk
	rotates          bool     // and rotates itself

	purpose    core.PasskeyPurpose
	passkey    int    // by the enrollment that has made it
	asked      int    // which ask it answers
	issued     int64  // when the challenge was issued that it answers, in nanoseconds
	count      uint32 // of the passkey's signatures; 0: it does not count
	registered int64  // when the challenge of an enrollment was issued

	stale, expired bool // what it presents, or the enrollment, may be too old
}

// outcome is what the client was told.
type outcome string

const (
	ok        outcome = "ok"
	notNeeded outcome = "not needed"
	denied    outcome = "denied"
	needsStep outcome = "step-up required"
	state     outcome = "state"
	closed    outcome = "gate closed"
	nothing   outcome = "nothing" // was imported
	fault     outcome = "fault"   // it has happened or not
)

type proofKind uint8

const (
	vouched proofKind = iota
	secondFactor
	recoveryCode
	operatorCode
	byPasskey // a second factor that nobody can have phished
)

// among reports whether a kind of proof is one of some, of which secondFactor is any second factor.
func (k proofKind) among(kinds []proofKind) bool {
	return slices.Contains(kinds, k) || k == byPasskey && slices.Contains(kinds, secondFactor)
}

// presents returns what a call presents, by the calls that have made it.
func (in input) presents() []int {
	return []int{in.try, in.challenge, in.proof, in.token, in.look, in.asked, keptInSession(in.session)}
}

// readOnly are calls that change nothing but what their client knows: nobody knows whether one was made that has told nothing.
var readOnly = []op{before, challenge, look, ask, goesOn, demand, reviewPosture}
