package integration_test

import (
	"crypto/sha256"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// token is a row of the model's table of tokens: what was asked for at its minting, and what has become
// of it since.
type token struct {
	id, account string
	number      int // in the order of minting, which the order of the random IDs is not
	name        string
	kind        tokens.Kind
	scopes      string // in normal form, with a space between
	resources   limit
	networks    limit
	rotates     bool // itself

	created, begins, expires, revoked int64
	life                              int64  // seconds, from the last minting, rotation or renewal to its end
	epoch                             int    // the account's token epoch at the minting
	proof                             kind   // by which its secret was shown, or the weaker one of a renewal
	passkey                           string // whose method that was
	proven                            int64  // when
	vouched                           int64  // when its owner was last asked
	needsFactor                       bool
	warned                            int // days before its end

	rotations   int
	generations []generation // those that worked at the last rotation, the oldest first; the last is the present one
	gone        []generation // the others
	line        int          // rotations by its owner

	used       int64           // the minute of the last use
	usedScopes map[string]bool // those that a check has asked for
}

// generation is one secret of a token.
type generation struct {
	digest [sha256.Size]byte // zero: not known yet
	until  int64             // when it stops working; 0: the present one
	told   bool              // that it was presented to be rotated
	line   int               // rotations by the owner before it
}

// knownLines is how many rotations by the owner the copies before them are known.
const knownLines = 32

// limit is a restriction; nothing listed under only restricts to nothing.
type limit struct {
	only bool
	list []string
}

func (k *token) clone() *token {
	if k == nil {
		return nil
	}
	c := *k
	c.generations, c.gone = slices.Clone(k.generations), slices.Clone(k.gone)
	return &c
}

func (k *token) present() *generation { return &k.generations[len(k.generations)-1] }

// standing is what the owner's page says of the token.
func (k *token) standing(owner *account, now int64) tokens.State {
	switch {
	case k.revoked != 0 || !owner.stored || k.epoch != owner.tokenEpoch:
		return tokens.StateRevoked
	case owner.suspended != 0:
		return tokens.StateAccountSuspended
	case !lies(k.expires, now, k.life+hour):
		return tokens.StateExpired
	case k.needsFactor && owner.factors() == 0:
		return tokens.StateNeedsSecondFactor
	case now < k.begins:
		return tokens.StateNotYetValid
	}
	return tokens.StateActive
}

// verdict is what a check comes to.
type verdict string

const (
	no     verdict = "denied"
	yes    verdict = "good"
	old    verdict = "good, and rotated"
	reused verdict = "rotated, and its grace is over"
)

// check is invariant 12: what a check of a generation from an address comes to. That an old copy is out goes
// before whatever else would deny it.
func (k *token) check(g generation, owner *account, from netip.Addr, now int64) verdict {
	switch st := k.standing(owner, now); {
	case st == tokens.StateRevoked:
		return no
	case g.until != 0 && now >= g.until:
		return reused
	case st != tokens.StateActive || !k.networks.hasAddress(from):
		return no
	case g.until == 0:
		return yes
	}
	return old
}

func (l limit) hasAddress(a netip.Addr) bool {
	return !l.only || slices.ContainsFunc(l.list, func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(a) })
}

func (l limit) hasResource(id string) bool {
	return !l.only || slices.ContainsFunc(l.list, func(entry string) bool {
		behind, ok := strings.CutSuffix(entry, "/*")
		return id == entry && !ok || ok && strings.HasPrefix(id, behind+"/") && id != behind+"/"
	})
}

// gives says whether a scope gives a right: write gives read as well, and * everything.
func gives(scope, right string) bool {
	of, action, _ := strings.Cut(scope, ":")
	resource, wanted, _ := strings.Cut(right, ":")
	return of == resource && (action == wanted || action == "*" || action == "write" && wanted == "read")
}

func (k *token) allows(right, resource string) bool {
	return k.resources.hasResource(resource) &&
		slices.ContainsFunc(strings.Fields(k.scopes), func(scope string) bool { return gives(scope, right) })
}

// use notes that a check has asked for a right, which it may have given.
func (k *token) use(right string) {
	for scope := range strings.FieldsSeq(k.scopes) {
		if gives(scope, right) {
			k.usedScopes[scope] = true
		}
	}
}

// steppedUp says whether only a proof of the second factor is enough for scopes.
func steppedUp(scopes string) bool {
	return slices.ContainsFunc(strings.Fields(scopes), func(scope string) bool { return gives(scope, "deploys:production") })
}

// --- the account's part: whether the proof is enough, and what is kept of it ---

// entry is what an account's activity keeps of a change of its tokens.
type entry struct {
	kind        string
	at          int64
	token, name string // of a token that was not stored, which has no ID, "?" and a number
}

// change is the rule of what the owner does to a token. room says whether there may be one more, and is nil
// where there will not be. An entry without a kind is none.
func (a *account) change(p proof, in string, act action, e entry, scopes string, room func(*account, int64) bool, now int64) answer {
	if no := a.authorized(p, in, act, now); no.err != nil {
		return no
	}
	if act == mintToken && steppedUp(scopes) && p.kind != secondFactor {
		return stepUp
	}
	if room != nil && !room(a, now) {
		return state
	}
	if e.at = now; e.kind != "" {
		a.tokenLog = append(a.tokenLog, e)
	}
	return answer{}
}

func (a *account) revokeTokens(now int64) answer {
	if !a.stored {
		return answer{}
	}
	a.tokenEpoch++
	a.tokenLog = append(a.tokenLog, entry{kind: "tokens.revoked", at: now})
	return answer{}
}

func (a *account) revokeOwnTokens(p proof, in string, now int64) answer {
	if no := a.authorized(p, in, revokeToken, now); no.err != nil {
		return no
	}
	return a.revokeTokens(now)
}

// room says whether there may be one more token that is neither revoked nor expired.
func (m *machine) room(owner *account, now int64) bool {
	active := 0
	for _, k := range m.tokens {
		st := k.standing(owner, now)
		if k.account == owner.id && st != tokens.StateRevoked && st != tokens.StateExpired {
			active++
		}
	}
	return active < mostActive
}

// --- the token's part ---

// lifetime is the rule of the lifetime that is asked for: 0 is usual.
func (m *machine) lifetime(asked, usual int64) (life int64, ok bool) {
	switch {
	case asked == 0:
		return usual, true
	case asked > longest && m.clamp:
		return longest, true
	}
	return asked, asked > 0 && asked <= longest
}

func (k *token) lives(life, now int64) {
	k.life, k.expires, k.warned = life, now+life, 0
}

// rotate puts a new secret in the place of the present one. by is the owner's proof, nil where it rotates itself.
func (m *machine) rotate(k *token, owner *account, asked, grace, now int64, by *proof) answer {
	life, ok := m.lifetime(asked, min(k.life, longest))
	if !ok {
		return invalid
	}
	switch k.standing(owner, now) {
	case tokens.StateActive, tokens.StateNotYetValid, tokens.StateNeedsSecondFactor:
	default:
		return state
	}
	until := min(now+grace, k.expires)
	k.present().until = until
	var kept []generation
	for _, g := range k.generations {
		if g.until = min(g.until, until); g.until > now {
			kept = append(kept, g)
		} else {
			g.until = math.MinInt64 // over, whatever another process takes for now
			k.gone = append(k.gone, g)
		}
	}
	if len(kept) > 8 {
		return state
	}
	k.rotations++
	if k.lives(life, now); by != nil {
		k.line++
		k.passkey = by.passkey
		k.proof, k.proven, k.vouched, k.needsFactor = by.kind, by.at, now, k.needsFactor || by.kind == secondFactor
	} else if k.expires = min(k.expires, k.vouched+unattended); k.expires <= now {
		return state
	}
	if k.begins >= k.expires {
		return invalid
	}
	k.generations = append(kept, generation{line: k.line})
	return answer{}
}

func (m *machine) renew(k *token, owner *account, asked, now int64, by proof) answer {
	life, ok := m.lifetime(asked, min(k.life, longest))
	if !ok {
		return invalid
	}
	if k.standing(owner, now) != tokens.StateExpired {
		return state
	}
	for i := range k.generations {
		if g := &k.generations[i]; g != k.present() {
			g.until = min(g.until, now)
		}
	}
	k.lives(life, now)
	if k.vouched = now; by.kind != secondFactor {
		k.proof, k.passkey, k.proven = by.kind, by.passkey, by.at
	}
	return answer{}
}

func (k *token) revoke(now int64) answer {
	if k.revoked == 0 {
		k.revoked = now
	}
	return answer{}
}

// warn tells that a token ends: 14, 7 and 1 days before it does, each once, and none that is as long as
// its life.
func (k *token) warn(owner *account, now int64) {
	switch k.standing(owner, now) {
	case tokens.StateRevoked, tokens.StateAccountSuspended, tokens.StateExpired:
		return
	}
	for _, days := range []int{1, 7, 14} {
		if left := int64(days) * day; k.expires-now <= left && k.life > left {
			if k.warned == 0 || k.warned > days {
				k.warned = days
			}
			return
		}
	}
}

// done says whether a purge of what ended before a moment removes it.
func (k *token) done(before int64) bool {
	return k.revoked != 0 && k.revoked < before || k.expires < before
}

// info is what an owner's page shows.
func (k *token) info(owner *account, now int64) tokens.Info {
	var unused tokens.Scopes
	for scope := range strings.FieldsSeq(k.scopes) {
		unused = append(unused, tokens.Scope(scope))
	}
	rotatesUntil := time.Time{}
	if k.rotates {
		rotatesUntil = moment(k.vouched + unattended)
	}
	return tokens.Info{
		RotatesUntil: rotatesUntil, ID: k.id, AccountID: k.account, Kind: k.kind, Name: k.name, Scopes: slices.Clone(unused),
		Resources: k.resources.asResources(), Networks: k.networks.asNetworks(), State: k.standing(owner, now),
		Created: moment(k.created), NotBefore: moment(k.begins), Expires: moment(k.expires), Revoked: moment(k.revoked),
		Rotations: k.rotations, Unused: unused, Addresses: []string{}, SecondFactor: k.proof == secondFactor, NeedsSecondFactor: k.needsFactor, RotatesItself: k.rotates,
	}
}

func (l limit) asResources() tokens.Resources {
	if !l.only {
		return tokens.Resources{}
	}
	r, err := tokens.OnlyResources(l.list...)
	if err != nil {
		panic(err)
	}
	return r
}

func (l limit) asNetworks() tokens.Networks {
	if !l.only {
		return tokens.Networks{}
	}
	n, err := tokens.OnlyNetworks(l.list...)
	if err != nil {
		panic(err)
	}
	return n
}
