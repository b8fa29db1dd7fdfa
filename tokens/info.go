package tokens

import (
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// State says whether a token works now, or why not. It is a stable code.
type State string

const (
	StateActive            State = "active"
	StateNotYetValid       State = "not_yet_valid"       // before its time
	StateExpired           State = "expired"             // Renew has it work again
	StateRevoked           State = "revoked"             // by itself or with all tokens of its account
	StateNeedsSecondFactor State = "needs_second_factor" // works again once its owner has a second factor
	StateAccountSuspended  State = "account_suspended"
	// StateFirstFactorOnly is the state of a token that was made by a first factor alone while its owner has a second
	// one: the policy wants it rotated.
	StateFirstFactorOnly State = "first_factor_only"
)

var states = map[standing]State{
	good: StateActive, notYet: StateNotYetValid, expired: StateExpired, revoked: StateRevoked,
	lacksFactor: StateNeedsSecondFactor, lacksProof: StateFirstFactorOnly, ownerSuspended: StateAccountSuspended,
}

// standings has the code of each standing, for metrics: a State, or what only somebody who presents a token can find out.
var standings = [...]string{
	foreign: "unknown", good: string(StateActive), inGrace: "in_grace", revoked: string(StateRevoked),
	ownerSuspended: string(StateAccountSuspended), lacksFactor: string(StateNeedsSecondFactor), lacksProof: string(StateFirstFactorOnly),
	notYet: string(StateNotYetValid), expired: string(StateExpired), elsewhere: "elsewhere", reusedOld: "reused",
}

// Info describes a token, for its owner's page. It holds no secret and no digest.
type Info struct {
	ID        string
	AccountID string
	Kind      Kind
	Name      string
	Scopes    Scopes
	Resources Resources
	Networks  Networks
	State     State
	Created   time.Time
	NotBefore time.Time // zero: at once
	Expires   time.Time
	Revoked   time.Time // zero: not by itself
	Rotations int       // how often its secret was replaced

	// LastUsed is to the minute, and up to two minutes behind; zero: never.
	LastUsed time.Time
	// Unused are the scopes that no check has asked for yet.
	Unused Scopes
	// Addresses are the last five that it came from, the latest first, if the policy keeps them.
	Addresses []string

	// SecondFactor says whether its secret was shown to a proof of the second factor, and not to the password alone.
	SecondFactor bool
	// Operator is who last minted, rotated or renewed it, of a token of a service account: their word stands in for the
	// second factor that such an account cannot have. Empty: its owner did, with a proof.
	Operator          string
	NeedsSecondFactor bool // it works only while its owner has one
	RotatesItself     bool
	RotatesUntil      time.Time // until its owner rotates or renews it; zero: it does not rotate itself

	terms terms
}

// As returns tokens as they would be for another state of their account. Few hosts need it: package posture does, for
// previews.
func (s *Service) As(account gatehouse.Account, list []Info) []Info {
	owner, now := engine.AccountOf(account).Index(s.e.Window), s.env()
	same := slices.Clone(list)
	for i, t := range same {
		same[i].State = states[t.terms.stand(owner, now)]
	}
	return same
}

func (s *Service) infos(list []held, now env) []Info {
	infos := make([]Info, len(list))
	for i, h := range list {
		infos[i] = s.info(h, now)
	}
	return infos
}

func (s *Service) info(h held, now env) Info {
	return Info{
		ID: h.ID, AccountID: h.Account, Kind: h.Kind, Name: h.Name, Scopes: h.Scopes,
		Resources: h.resourceLimit(), Networks: h.networkLimit(), State: states[h.stands(h.owner, now)],
		Created: core.Time(h.Created), NotBefore: core.Time(h.NotBefore), Expires: core.Time(h.Expires),
		Revoked: core.Time(h.Revoked), Rotations: h.Generation,
		LastUsed: h.use.LastUsed, Unused: h.Scopes.Unused(h.use.Scopes), Addresses: strings.Fields(h.use.Addresses),
		SecondFactor: h.How == core.SecondFactor, Operator: h.Operator, NeedsSecondFactor: h.NeedsFactor, RotatesItself: h.RotatesItself,
		RotatesUntil: core.Time(h.rotatesUntil(s.policy.Unattended)), terms: h.terms(),
	}
}
