package core_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// life is an account with what a caller of core would know of it.
type life struct {
	*walker
	a      core.Account
	keys   map[string]totp.Key
	last   map[string]int64   // the step accepted last, by authenticator
	steps  map[usedStep]bool  // accepted ever
	burned map[core.Hash]bool // hashes of used codes
	used   map[usedStep]bool  // challenges that passkeys have accepted ever
	unseen map[event.Kind]int
	made   int
}

type usedStep struct {
	auth string
	step int64
}

// accepts notes a step: none is accepted twice, and they only increase unless the clock runs back by more
// than an hour.
func (l *life) accepts(auth core.Authenticator, s int64) {
	require.False(l.t, l.steps[usedStep{auth.ID, s}], "step %d was accepted before", s)
	require.True(l.t, s > l.last[auth.ID] || l.last[auth.ID] > totp.Step(l.now)+120, "steps only increase")
	l.steps[usedStep{auth.ID, s}], l.last[auth.ID] = true, s
}

var by = core.By{Operator: "op-1", Reason: "asked"}

func (l *life) environment() core.Env { return l.env(totp.DefaultWindow()) }

func (l *life) id(kind string) string {
	l.made++
	return fmt.Sprint(kind, l.made)
}

// proof is of a random kind, mostly good.
func (l *life) proof() core.Presented {
	p := core.Presented{Proof: core.Proof{
		Account: l.a.ID, Kind: core.Kind(l.IntN(5) + 1), Method: "otp", At: l.now.Unix() - l.Int64N(320), Epoch: l.a.Epoch, Stamp: l.a.SessionEpoch,
	}}
	if l.IntN(3) > 0 {
		p.Kind = core.SecondFactor
		if !l.a.Protected() {
			p.Kind = core.Vouched
		}
		if l.a.Reset != nil {
			p.Kind = core.OperatorCode
		}
	}
	switch l.IntN(12) {
	case 0:
		p.Epoch++
	case 1:
		p.Account = "user-43"
	case 2:
		p.Session, p.In = []byte("session"), []byte("another")
	}
	return p
}

// oneOf returns the ID of an app or a passkey, or nobody's.
func (l *life) oneOf() string {
	if n := l.a.Factors(); n > 0 && l.IntN(8) > 0 {
		if i := l.IntN(n); i < len(l.a.Authenticators) {
			return l.a.Authenticators[i].ID
		} else {
			return l.a.Passkeys[i-len(l.a.Authenticators)].ID
		}
	}
	return "NOBODY"
}

func (l *life) attempt(m event.Method) core.Attempt {
	t := core.Attempt{Method: m, Keys: l.keys, Tried: map[core.Hash]bool{}, Code: "no code"}
	if l.IntN(2) == 0 {
		c := l.a.Challenge(l.environment())
		switch l.IntN(10) {
		case 0:
			c.SignIns--
		case 1:
			c.At -= 301
		case 2:
			c.At += 31
		}
		t.Challenge = &c
	}
	return t
}

// transitions are all there are, by name. Each returns the next account, and whether it was let through.
var transitions = map[string]func(l *life, env core.Env) (core.Account, bool){
	"totp": func(l *life, env core.Env) (core.Account, bool) {
		t := l.attempt(event.MethodTOTP)
		id := l.oneOf()
		step := totp.Step(l.now) + int64(l.IntN(5)) - 2
		if key, ok := l.keys[id]; ok && l.IntN(3) > 0 {
			t.Code, _ = key.Code(step)
		}
		next, out, err := l.a.Answer(t, env)
		require.NoError(l.t, err)
		if out.Reason != core.Accepted {
			return next, false
		}
		i := slices.IndexFunc(next.Authenticators, func(a core.Authenticator) bool { return a.ID == out.AuthenticatorID })
		l.accepts(next.Authenticators[i], next.Authenticators[i].Last)
		l.accepted(t, next, out)
		return next, true
	},
	"code": func(l *life, env core.Env) (core.Account, bool) {
		t := l.attempt(event.MethodRecoveryCode)
		if l.a.Reset != nil && l.IntN(2) == 0 {
			t.Method = event.MethodOperatorCode
		}
		t.Selector = "0123456789Z"[l.IntN(11)]
		hashes, imported := l.a.Untried(t, env)
		right := l.IntN(3) == 0
		for _, hash := range hashes {
			t.Tried[hash] = right
			if !imported {
				require.Len(l.t, hashes, 1, "one run at most")
			}
		}
		more, _ := l.a.Untried(t, env)
		require.Empty(l.t, more)
		next, out, err := l.a.Answer(t, env)
		require.NoError(l.t, err)
		if out.Reason != core.Accepted {
			return next, false
		}
		require.True(l.t, right)
		burned := 0
		for _, hash := range hashes {
			if !stands(next, hash) {
				require.False(l.t, l.burned[hash], "a code works once")
				l.burned[hash] = true
				burned++
			}
		}
		require.Equal(l.t, 1, burned)
		l.accepted(t, next, out)
		return next, true
	},
	"resync": func(l *life, env core.Env) (core.Account, bool) {
		t := l.attempt(event.MethodTOTP)
		id, second := l.oneOf(), "no code"
		if key, ok := l.keys[id]; ok && l.IntN(2) == 0 {
			step := totp.Step(l.now) + int64(l.IntN(41)) - 20
			t.Code, _ = key.Code(step)
			second, _ = key.Code(step + 1)
		}
		next, out, err := l.a.Resync(t, id, second, env)
		require.NoError(l.t, err)
		require.Empty(l.t, out.Proof, "it proves nothing")
		if out.Reason == core.Accepted {
			for _, auth := range next.Authenticators {
				if auth.ID == id {
					l.accepts(auth, auth.Last-1)
					l.accepts(auth, auth.Last)
				}
			}
		}
		return next, out.Reason == core.Accepted
	},
	"begin": func(l *life, env core.Env) (core.Account, bool) {
		p := core.Pending{Authenticator: newAuthenticator(l.id("A")), Recovery: newSet(l.id("S"))}
		p.Authenticator.Digits = 6 + l.IntN(2)*2
		if l.IntN(3) == 0 {
			p.Replace = l.oneOf()
		}
		l.keys[p.Authenticator.ID] = totp.Key{Secret: totp.GenerateSecret(), Digits: p.Authenticator.Digits}
		return let(l.a.Begin(l.proof(), p, env))
	},
	"confirm": func(l *life, env core.Env) (core.Account, bool) {
		id, code := "NOBODY", "no code"
		if l.a.Pending != nil {
			id = l.a.Pending.Authenticator.ID
			code, _ = l.keys[id].Code(totp.Step(l.now))
		}
		if l.IntN(3) == 0 {
			code, _ = totp.Key{Secret: totp.GenerateSecret()}.Code(1)
		}
		next, _, err := l.a.Confirm(l.proof(), id, code, l.keys[id], env)
		if err == nil {
			for _, auth := range next.Authenticators {
				if auth.ID == id {
					l.accepts(auth, auth.Last)
				}
			}
		}
		return next, err == nil
	},
	"cancel": func(l *life, env core.Env) (core.Account, bool) {
		if l.a.Pending == nil || l.IntN(4) > 0 {
			return let(l.a.Cancel(l.proof(), "NOBODY", env))
		}
		return let(l.a.Cancel(l.proof(), l.a.Pending.Authenticator.ID, env))
	},
	"acknowledge": func(l *life, env core.Env) (core.Account, bool) {
		id := "NOTHING"
		if l.a.Recovery != nil {
			id = l.a.Recovery.ID
		}
		if p := l.a.Pending; p != nil && p.Recovery != nil {
			id = p.Recovery.ID
		}
		return let(l.a.Acknowledge(l.proof(), id, env))
	},
	"regenerate": func(l *life, env core.Env) (core.Account, bool) {
		next, _, err := l.a.Regenerate(l.proof(), newSet(l.id("S")), env)
		return next, err == nil
	},
	"rename": func(l *life, env core.Env) (core.Account, bool) {
		return let(l.a.Rename(l.proof(), l.oneOf(), l.id("Name "), env))
	},
	"remove": func(l *life, env core.Env) (core.Account, bool) {
		next, _, err := l.a.Remove(l.proof(), l.oneOf(), env)
		return next, err == nil
	},
	"disable": func(l *life, env core.Env) (core.Account, bool) {
		if l.IntN(4) > 0 {
			return l.a, false
		}
		next, _, err := l.a.Disable(l.proof(), env)
		return next, err == nil
	},
	"passkey": func(l *life, env core.Env) (core.Account, bool) {
		if len(l.a.Passkeys) == 0 {
			return l.a, false
		}
		purpose := answering[l.IntN(3)]
		t := assertion(l.a, l.a.Passkeys[l.IntN(len(l.a.Passkeys))].ID, purpose, env)
		f := &t.Finding
		f.Challenge.At += l.Int64N(20e9) - 15e9
		switch l.IntN(20) {
		case 0:
			f.Count--
		case 1:
			f.Good = false
		case 2:
			f.UserVerified = false
		case 3:
			f.Eligible, f.BackedUp = !f.Eligible, false
		case 4:
			f.PublicKey = []byte("another")
		case 5:
			f.Challenge.Epoch--
			f.Challenge.Session = nil
		case 6:
			f.BackedUp = !f.BackedUp
		}
		next, out := l.a.AnswerPasskey(t, env)
		if out.Reason != core.Accepted {
			require.Equal(l.t, l.a.SignIns, next.SignIns)
			return next, false
		}
		challenge := usedStep{out.AuthenticatorID, f.Challenge.At}
		require.False(l.t, l.used[challenge], "a challenge is answered once")
		l.used[challenge] = true
		require.True(l.t, out.Proof.Resistant && f.Good && (f.UserVerified || purpose != core.PasskeySignIn) && (f.Eligible || !f.BackedUp))
		l.accepted(core.Attempt{Challenge: t.Challenge}, next, out)
		return next, true
	},
	"begin passkey": func(l *life, env core.Env) (core.Account, bool) {
		p := core.Pending{Authenticator: core.Authenticator{ID: l.id("K")}, Recovery: newSet(l.id("S"))}
		if l.IntN(3) == 0 {
			p.Replace = l.oneOf()
		}
		return let(l.a.BeginPasskey(l.proof(), p, storage.Handle{1: byte(l.IntN(255) + 1)}, env))
	},
	"finish passkey": func(l *life, env core.Env) (core.Account, bool) {
		p := l.proof()
		c := l.a.PasskeyChallenge(core.PasskeyRegister, p.In, nil, env.Now.UnixNano())
		if l.IntN(8) == 0 {
			c.Epoch--
		}
		k := core.Passkey{Credential: []byte(l.id("credential ")), PublicKey: []byte("key"), Eligible: l.IntN(2) == 0, Count: uint32(l.IntN(2))}
		if l.IntN(8) == 0 && len(l.a.Passkeys) > 0 {
			k.Credential = l.a.Passkeys[0].Credential
		}
		next, _, err := l.a.FinishPasskey(p, c, k, env)
		if err == nil {
			id := next.Passkeys[len(next.Passkeys)-1].ID
			l.used[usedStep{id, c.At}] = true
		}
		return next, err == nil
	},
	"fail passkey": func(l *life, env core.Env) (core.Account, bool) {
		p := l.proof()
		next, err := l.a.FailPasskey(p, l.a.PasskeyChallenge(core.PasskeyRegister, p.In, nil, env.Now.UnixNano()), env)
		require.Error(l.t, err)
		return next, errors.Is(err, core.ErrDenied)
	},
	"import passkeys": func(l *life, env core.Env) (core.Account, bool) {
		offered := []core.Passkey{{ID: l.id("K"), Name: "Old", Credential: []byte(l.id("credential ")), PublicKey: []byte("key"), Flagless: true}}
		if plan, err := l.a.PlanPasskeys(offered); l.IntN(2) > 0 || err != nil || plan[0] != core.ImportBrought {
			return l.a, false
		}
		return l.a.Import(by, core.Imported{Passkeys: offered, Handle: storage.Handle{8}}, env), true
	},
	"unlock": func(l *life, env core.Env) (core.Account, bool) {
		return let(l.a.Unlock(l.proof(), codes[l.IntN(len(codes))], env))
	},
	"unlock by": func(l *life, env core.Env) (core.Account, bool) {
		return l.a.UnlockBy(by, codes[l.IntN(len(codes))], env), true
	},
	"reset": func(l *life, env core.Env) (core.Account, bool) {
		if l.IntN(6) > 0 {
			return l.a, false
		}
		id := l.id("OP")
		return let(l.a.Resets(by, core.Slot{Selector: "3", Hash: core.Hash(id)}, env))
	},
	"suspend": func(l *life, env core.Env) (core.Account, bool) {
		if l.IntN(6) > 0 {
			return l.a, false
		}
		return l.a.Suspend(by, env), true
	},
	"resume": func(l *life, env core.Env) (core.Account, bool) { return l.a.Resume(by, env), true },
	"password": func(l *life, env core.Env) (core.Account, bool) {
		return l.a.PasswordChanged(by, l.IntN(2) == 0, env), true
	},
	"reseal": func(l *life, env core.Env) (core.Account, bool) {
		anew := map[string]core.Resealed{}
		for _, auth := range l.a.UnderOther("k2") {
			anew[string(auth.Sealed)] = core.Resealed{Sealed: []byte(l.id("sealed ")), Key: "k2"}
		}
		return l.a.Reseal(by, anew, "k2", env), true
	},
	"import": func(l *life, env core.Env) (core.Account, bool) {
		auths, codes := make([]core.Offered, l.IntN(3)), make([]core.Offered, l.IntN(20))
		for i := range auths {
			auths[i] = core.Offered{Weak: l.IntN(2) == 0, Digits: 6 + l.IntN(2)*2, There: l.IntN(6) == 0 && len(l.a.Authenticators) > 0}
		}
		for i := range codes {
			codes[i].Digits = l.IntN(2) * 8
		}
		plan, err := l.a.PlanImport(auths, codes)
		if err != nil {
			return l.a, false
		}
		var in core.Imported
		for i, outcome := range plan.Authenticators {
			if outcome.Brought() {
				auth := newAuthenticator(l.id("I"))
				auth.Last, auth.Weak, auth.Digits = totp.Step(l.now), auths[i].Weak, auths[i].Digits
				l.keys[auth.ID] = totp.Key{Secret: totp.GenerateSecret(), Digits: auth.Digits}
				in.Authenticators = append(in.Authenticators, auth)
			}
		}
		for i, outcome := range plan.Codes {
			if !outcome.Brought() {
				continue
			}
			if in.Codes == nil {
				in.Codes = &core.RecoverySet{ID: l.id("S")}
			}
			in.Codes.Slots = append(in.Codes.Slots, core.Slot{Selector: string(rune('A' + i)), Hash: core.Hash(l.id("H")), Digits: codes[i].Digits})
		}
		if plan.Close {
			in.Code, in.Life = core.Slot{Selector: "3", Hash: core.Hash(l.id("OP"))}, core.DefaultImportLife
		}
		next := l.a.Import(by, in, env)
		require.True(l.t, next.Protected(), "whoever had two-factor has it")
		return next, next.Epoch != l.a.Epoch
	},
	"eight digits": func(l *life, env core.Env) (core.Account, bool) {
		t := l.attempt(event.MethodTOTP)
		t.Code = "00000000"
		hashes, _ := l.a.Untried(t, env)
		right := l.IntN(3) == 0
		for _, hash := range hashes {
			t.Tried[hash] = right
		}
		next, out, err := l.a.Answer(t, env)
		require.NoError(l.t, err)
		if out.Reason != core.Accepted {
			return next, false
		}
		require.True(l.t, right)
		require.Equal(l.t, core.RecoveryCode, out.Proof.Kind)
		require.Equal(l.t, l.a.RecoveryThrottle, next.RecoveryThrottle)
		require.Equal(l.t, l.a.TOTPThrottle, next.TOTPThrottle)
		require.False(l.t, l.burned[hashes[0]], "a code works once")
		l.burned[hashes[0]] = true
		l.accepted(t, next, out)
		return next, true
	},
	"restored": func(l *life, env core.Env) (core.Account, bool) {
		next := l.a.Restored(by, l.IntN(2) == 0, l.IntN(2) == 0, env)
		for i, auth := range next.Authenticators {
			require.GreaterOrEqual(l.t, auth.Last, totp.Step(l.now)+1+int64(max(auth.Base, 0)), "all that can have been accepted")
			require.Equal(l.t, l.a.Authenticators[i].Steps, auth.Steps)
			l.last[auth.ID] = auth.Last
		}
		for _, k := range next.Passkeys {
			require.GreaterOrEqual(l.t, k.Accepted, l.now.Add(core.Ahead).UnixNano(), "all that can have been accepted")
		}
		return next, true
	},
	"vouch": func(l *life, env core.Env) (core.Account, bool) {
		f := core.FirstFactor{Method: "pwd", At: l.now.Unix()}
		if l.IntN(2) == 0 {
			f.Before = &l.a.Epoch
		}
		next, p, err := l.a.Vouch(f, nil, env)
		if err == nil {
			require.Equal(l.t, core.Proof{Account: l.a.ID, Kind: core.Vouched, Method: "pwd", At: f.At, Epoch: next.Epoch, Stamp: next.SessionEpoch}, p)
			require.True(l.t, f.Before != nil || next.Since < f.At)
		}
		return next, err == nil
	},
	"reviewed": func(l *life, env core.Env) (core.Account, bool) {
		if l.IntN(4) > 0 {
			return l.a, false // seldom, so that there is much to look at
		}
		upTo := l.a.Noted - l.Int64N(3)
		next, err := l.a.ReviewActivity(l.proof(), upTo, env)
		if err == nil {
			require.Equal(l.t, max(l.a.LookedAt, upTo), next.LookedAt)
		}
		return next, err == nil
	},
	"token": func(l *life, env core.Env) (core.Account, bool) {
		kind := []event.Kind{event.TokenMinted, event.TokenRotated, event.TokenRenewed, event.TokenRevoked}[l.IntN(4)]
		next, _, err := l.a.ChangeToken(l.proof(), core.TokenChange{Kind: kind, Token: "T", Name: "deploy"}, env)
		return let(next, err)
	},
	"look": func(l *life, env core.Env) (core.Account, bool) {
		_, _, _, _ = l.a.TOTPState(nil, env), l.a.RecoveryState(nil, env), l.a.OperatorState(env), l.a.PasskeyState()
		_, _ = l.a.Index(env.Window), l.a.PendingNow(env)
		return l.a, true
	},
}

func let(a core.Account, err error) (core.Account, bool) { return a, err == nil }

// accepted is what holds whenever somebody is let in.
func (l *life) accepted(t core.Attempt, next core.Account, out core.Outcome) {
	require.True(l.t, l.a.Protected())
	require.Nil(l.t, l.a.Suspension)
	require.Equal(l.t, next.Epoch, out.Proof.Epoch)
	require.Equal(l.t, l.a.ID, out.Proof.Account)
	require.Equal(l.t, l.now.Unix(), out.Proof.At)
	require.NotEqual(l.t, core.Vouched, out.Proof.Kind)
	if t.Challenge != nil {
		require.Equal(l.t, l.a.SignIns, t.Challenge.SignIns)
		require.Equal(l.t, l.a.SignIns+1, next.SignIns, "which ends all challenges")
	}
}

// stands reports whether a hash is that of a code which has not been used.
func stands(a core.Account, hash core.Hash) bool {
	if a.Reset != nil && a.Reset.Code.Hash == hash {
		return true
	}
	return a.Recovery != nil && slices.ContainsFunc(a.Recovery.Slots, func(s core.Slot) bool { return s.Hash == hash })
}

// TestTransitions walks through whatever can happen to an account, with the clock running back at
// times, and checks what has to hold after every step.
func TestTransitions(t *testing.T) {
	names := slices.Sorted(maps.Keys(transitions))
	all := map[string]int{}
	walk(t, 12, func(w *walker) {
		l := &life{
			walker: w, keys: map[string]totp.Key{}, last: map[string]int64{}, steps: map[usedStep]bool{}, burned: map[core.Hash]bool{},
			unseen: map[event.Kind]int{}, used: map[usedStep]bool{},
		}
		l.a = core.Account{ID: "user-42"}.Create(l.environment())
		for range 1000 {
			switch l.IntN(4) {
			case 0:
				l.now = l.now.Add(time.Duration(l.IntN(90)) * time.Second)
			case 1:
				if l.IntN(10) == 0 {
					l.now = l.now.Add(-time.Duration(l.IntN(900)) * time.Second)
				}
			}
			name := names[l.IntN(len(names))]
			if l.IntN(3) == 0 {
				name = []string{"totp", "code", "begin", "confirm", "resume", "passkey", "begin passkey", "finish passkey", "import"}[l.IntN(9)]
			}
			if s := l.a.Recovery; s != nil && l.IntN(3) == 0 && slices.ContainsFunc(s.Slots, func(s core.Slot) bool { return s.Digits == 8 && s.Hash != "" }) {
				name = "eight digits" // seldom there, and soon gone
			}
			env := l.environment()
			before := snapshot(t, l.a)
			next, ok := transitions[name](l, env)
			require.Equal(t, before, snapshot(t, l.a), "%s changed the account it was called on", name)
			if ok {
				all[name]++
			}
			l.holds(name, next, env)
			l.a = next
		}
	})
	for _, name := range names {
		require.NotZero(t, all[name], "%s has never succeeded: the walk is too narrow", name)
	}
}

// snapshot is all of an account, events included.
func snapshot(t *testing.T, a core.Account) string {
	data, err := a.Encode()
	require.NoError(t, err)
	return fmt.Sprintf("%s %s %+v", a.ID, data, a.Events)
}

// holds checks what has to hold of an account after any step.
func (l *life) holds(name string, next core.Account, env core.Env) {
	t := l.t
	data, err := next.Encode()
	require.NoError(t, err)
	again, err := core.Decode(next.ID, data)
	require.NoError(t, err, "after %s", name)
	next.Events = nil
	same, err := again.Encode()
	require.NoError(t, err)
	require.Equal(t, string(data), string(same), "after %s", name)

	require.LessOrEqual(t, len(next.Authenticators), core.MaxAuthenticators)
	require.LessOrEqual(t, len(next.Passkeys), core.MaxPasskeys)
	require.True(t, l.a.Handle == storage.Handle{} || next.Handle == l.a.Handle || name == "import passkeys" && len(l.a.Passkeys) == 0, "%s: a handle does not change", name)
	for _, was := range l.a.Passkeys {
		if k, there := next.Passkey(was.Credential); there {
			require.GreaterOrEqual(t, k.Count, was.Count, "%s: a counter never goes back", name)
			require.GreaterOrEqual(t, k.Accepted, was.Accepted, "%s: nor does the last challenge", name)
			require.Equal(t, was.PublicKey, k.PublicKey)
		}
	}
	if next.Epoch != l.a.Epoch {
		require.Equal(t, env.Fresh, next.Epoch)
		require.Nil(t, next.Pending, "%s: a change of epoch ends what is pending", name)
	}
	if factors(l.a) != factors(next) {
		require.NotEqual(t, l.a.Epoch, next.Epoch, "%s: a change of factors changes the epoch", name)
	}
	if next.Factors() == 0 {
		require.Nil(t, next.Recovery, "%s: no factor, no codes", name)
	}
	if l.a.Protected() && !next.Protected() {
		require.Equal(t, "disable", name, "nothing else turns it off")
	}
	if l.a.Suspension != nil && !slices.Contains([]string{"resume", "password", "reset", "suspend", "restored"}, name) {
		require.Equal(t, l.a.Epoch, next.Epoch, "%s: of a suspended account only operators change anything", name)
	}
	for hash := range l.burned {
		require.False(t, stands(next, hash), "%s brought a used code back", name)
	}
	for _, auth := range next.Authenticators {
		for s := range l.steps {
			require.True(t, s.auth != auth.ID || within(auth.Steps, s.step), "%s: step %d is used up", name, s.step)
		}
	}
	l.seen(name, next)
}

// mustBeSeen are the kinds of events that stay in the activity until the owner has looked at them.
var mustBeSeen = []event.Kind{
	event.RecoveryCodeUsed, event.RecoveryCodesRegenerated, event.OperatorCodeMade, event.OperatorCodeUsed, event.AuthenticatorAdded, event.AuthenticatorRemoved,
	event.TwoFactorOff, event.PasswordChanged, event.AccountReset, event.AccountSuspended, event.AccountResumed, event.AccountImported, event.AccountRestored,
	event.ManyFailures, event.MethodUnlocked, event.AuthenticatorResynced, event.PasskeySuspect, event.RiskAccepted,
	event.TokenMinted, event.TokenRotated, event.TokenRenewed, event.TokenRevoked, event.TokensRevoked,
}

// seen checks that nothing is lost of what the owner has yet to look at, and that the activity stays short
// (row K3).
func (l *life) seen(name string, next core.Account) {
	t := l.t
	for _, e := range next.Activity {
		if e.Number <= l.a.Noted || !slices.Contains(mustBeSeen, e.Kind) {
			continue
		}
		l.unseen[e.Kind]++ // one step notes at most one of each kind
	}
	if next.LookedAt > l.a.LookedAt {
		clear(l.unseen)
		for _, e := range next.Activity {
			if e.Number > next.LookedAt && slices.Contains(mustBeSeen, e.Kind) {
				l.unseen[e.Kind] += max(e.Count, 1)
			}
		}
	}
	shown, alike := map[event.Kind]int{}, map[string]bool{}
	last := int64(0)
	for _, e := range next.Activity {
		require.Greater(t, e.Number, last)
		last = e.Number
		require.True(t, e.Kind == event.ManyFailures || (e.Count > 1) == (e.First != 0), "%s: a run has a first and a last", name)
		if e.Number > next.LookedAt && slices.Contains(mustBeSeen, e.Kind) {
			shown[e.Kind] += max(e.Count, 1)
			key := fmt.Sprint(e.Kind, e.Method)
			require.False(t, alike[key] && len(next.Activity) > 20, "%s: two of a kind, and the activity is too long", name)
			alike[key] = true
		} else {
			require.LessOrEqual(t, len(next.Activity), 20, "%s: %s need not be there", name, e.Kind)
		}
	}
	delete(shown, event.ManyFailures) // its count is one of codes
	for _, kind := range mustBeSeen {
		if kind == event.ManyFailures {
			continue
		}
		require.Equal(t, l.unseen[kind], shown[kind], "%s: %s, which the owner has not seen", name, kind)
	}
}

func within(steps core.Steps, s int64) bool {
	return slices.ContainsFunc(steps, func(run [2]int64) bool { return run[0] <= s && s <= run[1] })
}

// factors names what somebody could get in with.
func factors(a core.Account) string {
	s := ""
	for _, auth := range a.Authenticators {
		s += auth.ID + " "
	}
	for _, k := range a.Passkeys {
		s += k.ID + " "
	}
	if a.Recovery != nil {
		s += a.Recovery.ID
	}
	return s
}

var codes = []event.Method{event.MethodTOTP, event.MethodRecoveryCode}
