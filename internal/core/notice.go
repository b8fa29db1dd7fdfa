package core

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
)

const (
	noticesAKind = 3       // of which the newest is a fold, if there are more
	outboxSize   = 8 << 10 // bytes that all notices of an account take at the most

	// mostNotices bounds what is read: more than three of each kind.
	mostNotices = 96

	// noticeSize is what a notice takes at the most in addition to its texts, in bytes.
	noticeSize = 96
)

// NoticeID is a UUID.
type NoticeID [16]byte

// NewNoticeID returns the UUID of version 4 that is made of random bytes (RFC 9562 §5.4).
func NewNoticeID(random [16]byte) NoticeID {
	random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80
	return random
}

// String returns the form that RFC 9562 §4 gives a UUID.
func (id NoticeID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// Notice is something that the owner of an account must be told. It is kept until it has been: see NIST SP 800-63B-4 §4.6.
type Notice struct {
	// ID is of this very content: what others are folded into has another.
	ID NoticeID
	// Event has the fields that an entry of the activity has, and Left. Number is that of the entry, 0 for none.
	Event
}

// owed reports whether the owner must be told an event.
func owed(k event.Kind) bool {
	switch k {
	case event.AuthenticatorAdded, event.AuthenticatorRemoved, event.RecoveryCodeUsed, event.RecoveryCodesRegenerated, event.RecoveryCodesLow,
		event.TwoFactorOff, event.MethodLocked, event.ManyFailures, event.PasskeySuspect, event.NewBrowser, event.AccountReset, event.OperatorCodeUsed,
		event.AccountSuspended, event.AccountResumed, event.AccountRestored, event.TokenMinted, event.TokenReused, event.TokenRevoked, event.ServiceTokenMinted:
		return true
	}
	return false
}

// owe keeps an event, with the entry of the activity that it has, until the owner has been told. Of a service account
// nobody would read it, and a restore has changed nothing that an owner without a second factor must know.
func (a *Account) owe(env Env, e Event) {
	if env.Notices == (NoticeID{}) || !owed(e.Kind) || a.ServiceOf != "" || e.Kind == event.AccountRestored && !a.Protected() {
		return
	}
	n := Notice{Event: Event{
		Kind: e.Kind, At: e.At, Method: e.Method, Auth: e.Auth, Token: e.Token, Name: e.Name, Service: e.Service,
		Operator: e.Operator, Detail: e.Detail, Count: e.Count, First: e.First, Number: e.Number, SignIn: e.SignIn, Client: e.Client, Left: e.Left,
	}}
	if n.Client == (Client{}) && n.Operator == "" {
		n.Client = env.Client
	}
	if i := a.folds(n); i >= 0 {
		n.Event = n.folding(a.Notices[i].Event)
		a.Notices = slices.Delete(a.Notices, i, i+1)
	}
	n.ID = a.newNotice(env)
	a.Notices = append(a.Notices, n)
	for a.outbox() > outboxSize {
		a.squeeze(env)
	}
}

// folding is following for two that may have been kept late, and so in another order than they were.
func (e Event) folding(before Event) Event {
	all := e.following(before)
	all.First, all.At = min(e.since(), before.since()), max(e.At, before.At)
	return all
}

// since returns when the first of a run was.
func (e Event) since() int64 {
	if e.First != 0 {
		return min(e.First, e.At)
	}
	return e.At
}

// folds returns which notice a new one is folded into, or -1: one of the same token, or the newest where there are as
// many of the kind as there may be.
func (a *Account) folds(n Notice) int {
	newest, count := -1, 0
	for i, was := range a.Notices {
		if was.Kind != n.Kind {
			continue
		}
		if n.Token != "" && was.Token == n.Token {
			return i
		}
		newest, count = i, count+1
	}
	if count < noticesAKind {
		return -1
	}
	return newest
}

// newNotice returns an ID that no notice has. Those of one change differ in their last byte.
func (a *Account) newNotice(env Env) NoticeID {
	id := env.Notices
	for slices.ContainsFunc(a.Notices, func(n Notice) bool { return n.ID == id }) {
		id[len(id)-1]++
	}
	return id
}

// outbox returns how many bytes all notices take at the most.
func (a *Account) outbox() (size int) {
	for _, n := range a.Notices {
		size += noticeSize + len(n.Auth) + len(n.Token) + len(n.Name) + len(n.Service) + len(n.Operator) + len(n.Detail)
	}
	return size
}

// squeeze makes the notices smaller: it folds the oldest that has another of its kind into that, and where no two are
// alike, leaves out an operator's reason. One of each kind without reasons takes less than there may be.
func (a *Account) squeeze(env Env) {
	for i, n := range a.Notices {
		for j := i + 1; j < len(a.Notices); j++ {
			if a.Notices[j].Kind == n.Kind {
				a.Notices[j].Event = a.Notices[j].folding(n.Event)
				a.Notices[j].ID = a.newNotice(env)
				a.Notices = slices.Delete(a.Notices, i, i+1)
				return
			}
		}
	}
	for i := range a.Notices {
		if a.Notices[i].Detail != "" {
			a.Notices[i].Detail = ""
			return
		}
	}
}

// Owe keeps what has happened to a token without its owner until they have been told. The token is saved after it. The
// event has its own moment and client: env may be that of a change long after.
func (a Account) Owe(e Event, env Env) Account {
	a = a.clone()
	env.Client = Client{}
	if from, err := netip.ParseAddr(e.Address); err == nil {
		e.Client.Address = string(from.AsSlice())
	}
	a.owe(env, e)
	return a
}

// HoldNotices has nobody else deliver the notices of an account for so many seconds. ok is false where there are none,
// or somebody else delivers them.
func (a Account) HoldNotices(seconds int64, env Env) (held Account, ok bool) {
	if len(a.Notices) == 0 || env.before(a.NoticesHeld, seconds) {
		return a, false
	}
	a = a.clone()
	a.NoticesHeld = env.unix() + seconds
	return a, true
}

// NoticesTold takes out notices that were delivered, and lets others deliver the rest, unless they do already: held is
// until when they could not.
func (a Account) NoticesTold(ids []NoticeID, held int64) Account {
	a = a.clone()
	if a.NoticesHeld == held {
		a.NoticesHeld = 0
	}
	a.Notices = slices.DeleteFunc(a.Notices, func(n Notice) bool { return slices.Contains(ids, n.ID) })
	if len(a.Notices) == 0 {
		a.Notices, a.NoticesHeld = nil, 0
	}
	return a
}

// unsent returns since when something waits that the owner must be told, 0 if nothing does.
func (a Account) unsent() int64 {
	since := int64(0)
	for i, n := range a.Notices {
		if at := max(n.since(), 1); i == 0 || at < since { // 0 would be nothing
			since = at
		}
	}
	return since
}

// brokenNotices is broken for the notices.
func (a Account) brokenNotices() string {
	if a.NoticesHeld != 0 && len(a.Notices) == 0 {
		return "notices that are held"
	}
	for i, n := range a.Notices {
		first := slices.IndexFunc(a.Notices, func(other Notice) bool { return other.ID == n.ID })
		if first != i || n.Count < 0 || n.First < 0 || n.Left < 0 || n.Number < 0 {
			return "notice"
		}
	}
	return ""
}
