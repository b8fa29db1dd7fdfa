package storagetest

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// drawer draws what callers do who call the store themselves, with all that a caller may bring.
type drawer struct {
	*checker
	rng *rand.Rand // of the step

	accountIDs, tokenIDs []string // that these callers write
	handles              []storage.Handle
	served, minted       []string // IDs of accounts and tokens that services write: these callers read them
}

const (
	idsOfSeed  = 12 // neighbors in the list of IDs that look alike
	newIDs     = 8  // of them, those that the seed before had not
	handlesToo = 4
)

// newDrawer draws the IDs and handles of a seed.
func newDrawer(c *checker, seed uint64, rng *rand.Rand) *drawer {
	s := &drawer{checker: c, rng: rng}
	ids := (&env{prefix: s.prefix}).ids()
	for i := range idsOfSeed {
		s.accountIDs = append(s.accountIDs, ids[(seed*newIDs+uint64(i))%uint64(len(ids))])
	}
	// After all others, if those are not of another run.
	s.accountIDs = append(s.accountIDs, "\U0010ffff"+s.prefix+"a", "\U0010ffff"+s.prefix+"b")
	s.tokenIDs = s.accountIDs
	handles := nearHandles()
	s.rng.Shuffle(len(handles)-1, func(i, j int) { handles[i+1], handles[j+1] = handles[j+1], handles[i+1] })
	s.handles = handles[:handlesToo]
	return s
}

func pick[T any](s *drawer, of []T) T { return of[s.rng.IntN(len(of))] }

func (s *drawer) node() int { return s.rng.IntN(nodes) }

// write draws a change, makes it, and looks at what it has done.
func (s *drawer) write() {
	var r request
	switch n := s.rng.IntN(20); {
	case n < 7:
		r = s.saveAccount()
	case n < 13:
		r = s.saveToken()
	case n < 15:
		r = deleteAccount(s.id(s.accountIDs))
	case n < 17:
		id := s.id(s.tokenIDs)
		r = deleteToken(id, s.prev("token "+id))
	default:
		r = touchTokens(s.uses())
	}
	s.call(s.node(), r)
	s.seen(r)
	s.look()
}

// look reads what callers write, through any handles: two records of each kind and their listings.
func (s *drawer) look() {
	for range 2 {
		s.call(s.node(), s.read())
	}
}

// version draws a fresh version: a random one, or one at an end of the integers or the floats.
func (s *drawer) version(record string) int64 {
	for {
		v := int64(s.rng.Uint64())
		if s.rng.IntN(3) == 0 {
			v = pick(s, []int64{math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1, -1, 1, 1<<53 + 1, 1 << 32, 1 << 8})
		}
		if v != 0 && !slices.Contains(s.once[record], v) {
			return v
		}
	}
}

// prev draws the version that a caller takes for the stored one; mostly it is.
func (s *drawer) prev(record string) int64 {
	now := s.stored(record)
	near := []int64{0, now + 1, now - 1, -now, now ^ 1<<32, now ^ math.MinInt64, int64(s.rng.Uint64())}
	switch n := s.rng.IntN(12); {
	case n < 8:
		return now
	case n < 10 && len(s.once[record]) > 0:
		return pick(s, s.once[record])
	}
	return pick(s, near)
}

// id draws one of the IDs, or seldom one that is refused.
func (s *drawer) id(of []string) string {
	if s.rng.IntN(20) == 0 {
		return pick(s, invalidIDs())
	}
	return pick(s, of)
}

func (s *drawer) data() []byte {
	large := func(n int) []byte {
		data := make([]byte, 0, n+8)
		for len(data) < n {
			data = binary.LittleEndian.AppendUint64(data, s.rng.Uint64())
		}
		return data[:n]
	}
	switch n := s.rng.IntN(200); {
	case n < 5:
		return large(1<<16 + 1)
	case n < 6:
		return large(1 << 20)
	case n < 100:
		return large(1 + s.rng.IntN(64))
	}
	return pick(s, [][]byte{
		nil, {}, {0}, []byte("\x00a\x00"), []byte(" a \t\r\n"), []byte("\xff\xfe\xc3\x28\xed\xa0\x80"),
		[]byte(`\x41 \\ \' ' '' " $1 ?1 %s {"a":1}`),
	})
}

// time draws the zero time, one of few that meet, or one that databases and drivers change.
func (s *drawer) time() time.Time {
	switch n := s.rng.IntN(10); {
	case n < 2:
		return time.Time{}
	case n < 5:
		return second(s.rng.IntN(4)).Add(time.Duration(s.rng.IntN(3)-1) * time.Microsecond)
	}
	return pick(s, times())
}

func (s *drawer) number() int64 {
	if s.rng.IntN(2) == 0 {
		return 1<<62 + 1
	}
	return pick(s, []int64{0, 1, math.MaxInt64, math.MinInt64, -1, 1 << 53, 1<<53 + 1, 1 << 32, 1<<62 + 1 + 1<<32})
}

func (s *drawer) text(longest int) string {
	return pick(s, []string{
		"", "a", "A", " A  a ", "\u00e9\U0001f363'\"\\%\r\n", "e\u0301", `["x","y"]`, "0x12", "12", "192.0.2.1 2001:db8::1",
		strings.Repeat("k", longest), strings.Repeat("\u00e9", longest/2),
	})
}

func (s *drawer) flag() bool { return s.rng.IntN(2) == 0 }

func (s *drawer) saveAccount() request {
	id := s.id(s.accountIDs)
	r := storage.Record{ID: id, Version: s.version("account " + id), Data: s.data(), Index: storage.AccountIndex{
		Authenticators: s.rng.IntN(4), Passkeys: s.rng.IntN(4), CodesLeft: s.rng.IntN(11), LockedUntil: s.time(), Disabled: s.flag(), Suspended: s.flag(),
		KeyName: s.text(1024), TokenEpoch: s.number(), Unsent: s.time(),
	}}
	switch now, _ := s.model.LoadAccount(s.ctx, id); s.rng.IntN(4) {
	case 0:
		r.Index.Handle = now.Index.Handle
	case 1, 2:
		r.Index.Handle = pick(s, s.handles)
	}
	if s.rng.IntN(20) == 0 {
		r.Version = 0
	}
	if now, err := s.model.LoadAccount(s.ctx, id); err == nil && s.rng.IntN(10) == 0 {
		return saveAccount(now, s.stale("account "+id)) // made again, by somebody whose reply was lost
	}
	return saveAccount(r, s.prev("account "+id))
}

// stale draws the version that a save was made over which is made again: not its own one.
func (s *drawer) stale(record string) int64 {
	for {
		if prev := s.prev(record); prev != s.stored(record) {
			return prev
		}
	}
}

func (s *drawer) saveToken() request {
	id, owner := s.id(s.tokenIDs), s.id(s.accountIDs)
	if s.flag() {
		owner = s.accountIDs[0] // one has many
	}
	now, ok := s.token(id)
	if ok && s.rng.IntN(10) > 0 {
		owner = now.AccountID
	}
	t := storage.TokenRecord{ID: id, AccountID: owner, Version: s.version("token " + id), Data: s.data(), Index: storage.TokenIndex{
		Expires: s.time(), Revoked: s.rng.IntN(4) == 0, Scopes: s.text(4096), Epoch: s.number(),
	}}
	if s.flag() { // most live
		t.Index.Expires, t.Index.Revoked, t.Index.Epoch = second(9+s.rng.IntN(50)), false, 1<<62+1
	}
	if s.flag() {
		t.Usage = s.usage()
	}
	switch n := s.rng.IntN(20); {
	case n == 0:
		t.Version = 0
	case n < 3 && ok:
		return saveToken(now, s.stale("token "+id))
	}
	return saveToken(t, s.prev("token "+id))
}

func (s *drawer) usage() storage.TokenUsage {
	scopes := int64(1) << s.rng.IntN(63)
	if s.flag() {
		scopes |= scopes >> 1
	}
	return storage.TokenUsage{LastUsed: s.time(), Scopes: scopes, Addresses: s.text(1024)}
}

// uses draws a batch. Those at one time have the same addresses: which of them came last, nobody can tell.
func (s *drawer) uses() []storage.TokenUse {
	n := s.rng.IntN(5)
	if s.rng.IntN(12) == 0 {
		n = 500 + s.rng.IntN(100)
	}
	var all []storage.TokenUse
	at := map[time.Time]string{}
	ids := []string{pick(s, s.tokenIDs), pick(s, s.tokenIDs)}
	if n > 5 {
		ids = s.tokenIDs
	}
	for i := range n {
		u := storage.TokenUse{ID: pick(s, ids), TokenUsage: s.usage()}
		if n > 5 && s.rng.IntN(4) > 0 {
			u.ID = fmt.Sprintf("%sunknown %d", s.prefix, i)
		}
		if text, ok := at[cut(u.LastUsed)]; ok {
			u.Addresses = text
		}
		at[cut(u.LastUsed)] = u.Addresses
		all = append(all, u)
	}
	if s.rng.IntN(12) == 0 {
		bad := storage.TokenUse{ID: pick(s, invalidIDs()), TokenUsage: s.usage()}
		all = slices.Insert(all, s.rng.IntN(len(all)+1), bad)
	}
	return all
}

// read draws a call that changes nothing.
func (s *drawer) read() request {
	accounts, tokens := slices.Concat(s.served, s.accountIDs), slices.Concat(s.minted, s.tokenIDs)
	switch s.rng.IntN(9) {
	case 0:
		return loadAccount(s.id(accounts))
	case 1:
		return accountByHandle(pick(s, append([]storage.Handle{{}}, s.handles...)))
	case 2:
		return loadToken(s.id(tokens))
	case 3:
		return listAccounts(s.after(accounts), s.limit())
	case 4:
		return listUnsent(s.after(accounts), s.limit())
	case 5:
		return listTokens(s.id(accounts), s.after(tokens), s.limit())
	case 6:
		return s.live(s.id(accounts), tokens)
	case 7:
		return listAll(s.after(tokens), s.limit())
	}
	return loadAccount(s.id(accounts))
}

// live draws a listing of the tokens of an account that have not ended, most often at the time at which one does.
func (s *drawer) live(account string, tokens []string) request {
	live := storage.Live{Epoch: s.number(), At: s.time()}
	t, ok := s.token(pick(s, tokens))
	if !ok || s.rng.IntN(4) == 0 {
		return listLive(account, live, s.after(tokens), s.limit())
	}
	live.Epoch = t.Index.Epoch
	if s.flag() {
		return listLive(t.AccountID, storage.Live{Epoch: 1<<62 + 1, At: second(0)}, "", 1+s.rng.IntN(3))
	}
	if year := t.Index.Expires.Year(); year > 1970 && year < 2300 {
		live.At = t.Index.Expires.Add(time.Duration(s.rng.IntN(4)-2) * 500)
	}
	return listLive(t.AccountID, live, s.after(tokens), s.limit())
}

// after draws where a page begins: at an ID, just before or after it, or at either end of all.
func (s *drawer) after(ids []string) string {
	id := pick(s, ids)
	switch s.rng.IntN(8) {
	case 0:
		return ""
	case 1:
		if longer := id + "\x01"; storage.CheckID(longer) == nil {
			return longer
		}
	case 2:
		return lastID
	case 3:
		return pick(s, invalidIDs())
	case 4, 5, 6:
		if runes := []rune(id); len(runes) > 1 {
			return string(runes[:len(runes)-1])
		}
	}
	return id
}

func (s *drawer) limit() int {
	if s.rng.IntN(10) == 0 {
		return pick(s, []int{0, -1, math.MinInt})
	}
	return pick(s, []int{1, 2, 3, 5, 8, 20, math.MaxInt})
}

// sweep reads everything that callers wrote, through all handles.
func (s *drawer) sweep() {
	for node := range nodes {
		for _, id := range slices.Concat(s.served, s.accountIDs) {
			s.call(node, loadAccount(id))
			s.call(node, listTokens(id, "", math.MaxInt))
		}
		for _, id := range slices.Concat(s.minted, s.tokenIDs) {
			s.call(node, loadToken(id))
		}
		for _, h := range s.handles {
			s.call(node, accountByHandle(h))
		}
	}
}

// clean deletes everything.
func (s *drawer) clean() {
	for i, id := range slices.Concat(s.served, s.accountIDs) {
		s.call(i%nodes, deleteAccount(id))
		s.call((i+1)%nodes, loadAccount(id))
		s.call((i+1)%nodes, listTokens(id, "", math.MaxInt))
	}
}
