package core

import (
	"slices"

	"github.com/gatehouse-go/gatehouse/internal/wire"
	"github.com/gatehouse-go/gatehouse/storage"
)

// What follows says, in both directions, which bytes an account is. The order of bits and fields is what is stored: a
// new field gets a new bit at the end of its struct, and a bit that is not used any more is not used again.

func (a *Account) code(c *wire.Coder) {
	c.Word(&a.Epoch)
	c.Word(&a.TokenEpoch)
	b := c.Bits(len(a.Authenticators) > 0, a.Pending != nil, a.Recovery != nil, a.TOTPThrottle.kept(), a.RecoveryThrottle.Full != 0, a.Misses.Full != 0,
		a.SignIns != 0, a.Reset != nil, a.Suspension != nil, a.Noted != 0, a.LookedAt != 0, len(a.Activity) > 0, len(a.Accepted) > 0, len(a.History) > 0,
		a.Since != 0, a.Minted != DayCount{}, a.Imported != 0, len(a.Ancestry) > 0, a.SessionEpoch != 0, a.Changer != "",
		a.ServiceOf != "", len(a.Services) > 0, len(a.Passkeys) > 0, a.Handle != storage.Handle{}, len(a.Notices) > 0, a.NoticesHeld != 0, len(a.Browsers) > 0,
		a.FirstTokenEpoch != 0)
	wire.OptionalRoom(c, &b, &a.Authenticators, MaxAuthenticators)
	for i := range a.Authenticators {
		a.Authenticators[i].code(c)
	}
	if wire.Optionally(c, &b, &a.Pending) {
		a.Pending.code(c)
	}
	if wire.Optionally(c, &b, &a.Recovery) {
		a.Recovery.code(c)
	}
	if b.Next() {
		a.TOTPThrottle.code(c)
	}
	c.OptionalMoment(&b, &a.RecoveryThrottle.Full)
	c.OptionalMoment(&b, &a.Misses.Full)
	wire.Optional(c, &b, &a.SignIns)
	if wire.Optionally(c, &b, &a.Reset) {
		a.Reset.code(c)
	}
	if wire.Optionally(c, &b, &a.Suspension) {
		a.Suspension.code(c)
	}
	wire.Optional(c, &b, &a.Noted)
	wire.Optional(c, &b, &a.LookedAt)
	codeActivity(c, &b, &a.Activity)
	wire.OptionalRoom(c, &b, &a.Accepted, maxAccepted)
	for i := range a.Accepted {
		a.Accepted[i].code(c)
	}
	wire.OptionalRoom(c, &b, &a.History, maxHistory)
	for i := range a.History {
		a.History[i].code(c)
	}
	c.OptionalMoment(&b, &a.Since)
	if b.Next() {
		a.Minted.code(c, 0)
		c.Must(a.Minted != DayCount{})
	}
	wire.Optional(c, &b, &a.Imported)
	if b.Next() {
		a.Ancestry.Code(c)
	}
	if b.Next() {
		c.Word(&a.SessionEpoch)
		c.Must(a.SessionEpoch != 0)
	}
	if b.Next() {
		wire.FixedText(c, &a.Changer, DigestSize)
	}
	c.OptionalShared(&b, &a.ServiceOf)
	wire.OptionalRoom(c, &b, &a.Services, MaxServices)
	for i := range a.Services {
		c.Shared(&a.Services[i])
	}
	wire.OptionalRoom(c, &b, &a.Passkeys, MaxPasskeys)
	for i := range a.Passkeys {
		a.Passkeys[i].code(c)
	}
	if b.Next() {
		codeArray(c, a.Handle[:])
	}
	codeNotices(c, &b, &a.Notices)
	c.OptionalMoment(&b, &a.NoticesHeld)
	codeBrowsers(c, &b, &a.Browsers)
	if b.Next() {
		c.Word(&a.FirstTokenEpoch)
		c.Must(a.FirstTokenEpoch != 0)
	}
}

func (a *Authenticator) code(c *wire.Coder) {
	c.Shared(&a.ID)
	c.Shared(&a.Name)
	c.Bytes(&a.Sealed)
	c.Shared(&a.Key)
	wire.Number(c, &a.Digits)
	c.Moment(&a.Created)
	b := c.Bits(a.Algorithm != 0, a.Weak, a.Base != 0, a.LastUsed != 0, len(a.Steps) > 0, a.Last != 0)
	wire.Optional(c, &b, &a.Algorithm)
	c.Flag(&b, &a.Weak)
	wire.Optional(c, &b, &a.Base)
	c.OptionalMoment(&b, &a.LastUsed)
	codeSteps(c, &b, &a.Steps)
	if b.Next() {
		c.After(&a.Last, a.Steps.end()) // which is 0 as a rule
		c.Must(a.Last != 0)
	}
}

func (k *Passkey) code(c *wire.Coder) {
	c.Shared(&k.ID)
	c.Shared(&k.Name)
	c.Bytes(&k.Credential)
	c.Bytes(&k.PublicKey)
	c.Moment(&k.Created)
	b := c.Bits(k.AAGUID != [16]byte{}, k.Transports != 0, k.Count != 0, k.Accepted != 0, k.LastUsed != 0,
		k.Verified, k.Eligible, k.BackedUp, k.Attested, k.Flagless, k.Suspected != 0)
	if b.Next() {
		codeArray(c, k.AAGUID[:])
	}
	wire.Optional(c, &b, &k.Transports)
	wire.Optional(c, &b, &k.Count)
	wire.Optional(c, &b, &k.Accepted)
	c.OptionalMoment(&b, &k.LastUsed)
	c.Flag(&b, &k.Verified)
	c.Flag(&b, &k.Eligible)
	c.Flag(&b, &k.BackedUp)
	c.Flag(&b, &k.Attested)
	c.Flag(&b, &k.Flagless)
	wire.Optional(c, &b, &k.Suspected)
}

// codeArray codes bytes of a fixed number, of which one at least is not 0.
func codeArray(c *wire.Coder, array []byte) {
	b := array
	c.Fixed(&b, len(array))
	copy(array, b)
	c.Must(slices.ContainsFunc(array, func(x byte) bool { return x != 0 }))
}

// codeSteps codes how far each run begins after the end of the one before, and how far it goes. Numbers that overflow
// are found by broken.
func codeSteps(c *wire.Coder, b *wire.Bits, steps *Steps) {
	wire.OptionalRoom(c, b, (*[][2]int64)(steps), maxRuns)
	at := int64(0)
	for i := range *steps {
		run := &(*steps)[i]
		c.After(&run[0], at)
		c.After(&run[1], run[0])
		at = run[1]
	}
}

// end returns the last step there is, or 0.
func (s Steps) end() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1][1]
}

func (p *Pending) code(c *wire.Coder) {
	p.Authenticator.code(c)
	c.Moment(&p.Expires)
	b := c.Bits(p.Replace != "", p.Recovery != nil, p.Tries != 0, p.Kept != nil, p.Passkey)
	c.OptionalShared(&b, &p.Replace)
	if wire.Optionally(c, &b, &p.Recovery) {
		p.Recovery.code(c)
	}
	wire.Optional(c, &b, &p.Tries)
	if wire.Optionally(c, &b, &p.Kept) {
		wire.FixedText(c, &p.Kept.Session, DigestSize)
		c.Bytes(&p.Kept.Sealed)
	}
	c.Flag(&b, &p.Passkey)
}

func (s *RecoverySet) code(c *wire.Coder) {
	wire.Text(c, &s.ID)
	c.Moment(&s.Created)
	b := c.Bits(s.Acknowledged != 0, s.Imported, s.Tags != nil)
	c.OptionalMoment(&b, &s.Acknowledged)
	c.Flag(&b, &s.Imported)
	if wire.Optionally(c, &b, &s.Tags) {
		s.Tags.code(c)
	}
	wire.Room(c, &s.Slots, maxSlots)
	for i := range s.Slots {
		s.Slots[i].code(c)
	}
}

func (s *Slot) code(c *wire.Coder) {
	wire.FixedText(c, &s.Selector, 1)
	b := c.Bits(s.Hash != "", s.Tag != "", s.Used != 0, s.Digits != 0, s.Tags != nil)
	if b.Next() {
		wire.Octets(c, &s.Hash)
		c.Must(s.Hash != "")
	}
	if b.Next() {
		wire.FixedText(c, &s.Tag, tagSize)
	}
	c.OptionalMoment(&b, &s.Used)
	wire.Optional(c, &b, &s.Digits)
	if wire.Optionally(c, &b, &s.Tags) {
		s.Tags.code(c)
	}
}

func (t *Tags) code(c *wire.Coder) {
	c.Shared(&t.Key)
	wire.FixedText(c, &t.Check, checkSize)
}

func (t *TOTPThrottle) kept() bool {
	return t.Streak != Streak{} || t.Known != Streak{} || len(t.Days) > 0 || t.Alarm != Alarm{}
}

func (t *TOTPThrottle) code(c *wire.Coder) {
	b := c.Bits(t.Failures != 0, t.Until != 0, len(t.Days) > 0, t.Alarm != Alarm{}, t.Known.Failures != 0, t.Known.Until != 0)
	c.Must(b != 0)
	wire.Optional(c, &b, &t.Failures)
	c.OptionalMoment(&b, &t.Until)
	codeDays(c, &b, &t.Days)
	if b.Next() {
		c.Moment(&t.Alarm.At)
		wire.Number(c, &t.Alarm.Count)
		c.Must(t.Alarm != Alarm{})
	}
	wire.Optional(c, &b, &t.Known.Failures)
	c.OptionalMoment(&b, &t.Known.Until)
}

func codeDays(c *wire.Coder, b *wire.Bits, days *[]DayCount) {
	wire.OptionalRoom(c, b, days, monthDays+1)
	day := int64(0)
	for i := range *days {
		(*days)[i].code(c, day)
		day = (*days)[i][0]
	}
}

// code codes the day by how many days after another one it is.
func (d *DayCount) code(c *wire.Coder, day int64) {
	c.After(&d[0], day)
	wire.Number(c, &d[1])
}

func (r *Reset) code(c *wire.Coder) {
	r.Code.code(c)
	c.Moment(&r.At)
	c.Moment(&r.Expires)
	c.Shared(&r.Operator)
	b := c.Bits(r.Life != 0)
	wire.Optional(c, &b, &r.Life)
}

func (s *Suspension) code(c *wire.Coder) {
	c.Shared(&s.Operator)
	c.Moment(&s.At)
	b := c.Bits(s.Reason != "")
	c.OptionalShared(&b, &s.Reason)
}

func codeActivity(c *wire.Coder, b *wire.Bits, activity *[]Event) {
	wire.OptionalRoom(c, b, activity, mostActivity)
	number, from := int64(0), Client{}
	for i := range *activity {
		e := &(*activity)[i]
		e.code(c, &from)
		c.After(&e.Number, number)
		number = e.Number
	}
}

func codeNotices(c *wire.Coder, b *wire.Bits, notices *[]Notice) {
	wire.OptionalRoom(c, b, notices, mostNotices)
	from := Client{}
	for i := range *notices {
		n := &(*notices)[i]
		codeArray(c, n.ID[:])
		n.Event.code(c, &from)
		has := c.Bits(n.Number != 0, n.Left != 0)
		wire.Optional(c, &has, &n.Number)
		wire.Optional(c, &has, &n.Left)
	}
}

// code codes what is kept of an entry of the activity, except for its number. last is the client of the latest entry that
// had one: where it is the same, a bit is all there is.
func (e *Event) code(c *wire.Coder, last *Client) {
	kinds.code(c, &e.Kind)
	c.Moment(&e.At)
	b := c.Bits(e.Method != "", e.Auth != "", e.Name != "", e.Token != "", e.Operator != "", e.Detail != "", e.Count != 0, e.First != 0, e.Service != "",
		e.SignIn, e.Client != Client{} && e.Client == *last, e.Client != Client{} && e.Client != *last)
	if b.Next() {
		methods.code(c, &e.Method)
	}
	c.OptionalShared(&b, &e.Auth)
	c.OptionalShared(&b, &e.Name)
	c.OptionalShared(&b, &e.Token)
	c.OptionalShared(&b, &e.Operator)
	c.OptionalShared(&b, &e.Detail)
	wire.Optional(c, &b, &e.Count)
	c.OptionalMoment(&b, &e.First)
	c.OptionalShared(&b, &e.Service)
	c.Flag(&b, &e.SignIn)
	e.Client.codeAfter(c, &b, last)
}

// codeAfter codes a client after another one by two bits: that it is the same, and that it is another.
func (x *Client) codeAfter(c *wire.Coder, b *wire.Bits, last *Client) {
	if b.Next() {
		*x = *last
		c.Must(*last != Client{})
	}
	if b.Next() {
		c.Must(*x == Client{} || !c.Reading())
		x.code(c)
		c.Must(*x != *last)
		*last = *x
	}
}

func codeBrowsers(c *wire.Coder, b *wire.Bits, browsers *[]Browser) {
	wire.OptionalRoom(c, b, browsers, maxBrowsers)
	from := Client{}
	for i := range *browsers {
		x := &(*browsers)[i]
		wire.FixedText(c, &x.Digest, DigestSize)
		c.Moment(&x.Since)
		c.Moment(&x.Used)
		has := c.Bits(x.Client != Client{} && x.Client == from, x.Client != Client{} && x.Client != from)
		x.Client.codeAfter(c, &has, &from)
	}
}

func (x *Client) code(c *wire.Coder) {
	b := c.Bits(len(x.Address) == 4, len(x.Address) == 16, x.Agent != "")
	c.Must(b != 0 && b&3 != 3 && (c.Reading() || x.Address == "" || b&3 != 0))
	for _, size := range [...]int{4, 16} {
		if b.Next() {
			wire.FixedText(c, &x.Address, size)
		}
	}
	if b.Next() {
		agents.code(c, &x.Agent)
	}
}

func (x *Acceptance) code(c *wire.Coder) {
	c.Shared(&x.Control)
	c.Shared(&x.By)
	c.Shared(&x.Why)
	c.Moment(&x.At)
	b := c.Bits(x.Until != 0)
	c.OptionalMoment(&b, &x.Until)
}

func (s *Snapshot) code(c *wire.Coder) {
	c.Moment(&s.At)
	c.Shared(&s.Model)
	wire.Number(c, &s.Level)
	wire.Number(c, &s.Score)
	b := c.Bits(s.Cause != "")
	if b.Next() {
		kinds.code(c, &s.Cause)
	}
}

// Code says, in both directions, which bytes an ancestry is: the versions, each in eight.
func (a *Ancestry) Code(c *wire.Coder) {
	n := c.Count(len(*a)/versionSize, maxAncestors)
	c.Must(n > 0)
	c.Fixed((*[]byte)(a), n*versionSize)
}
