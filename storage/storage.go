// Package storage says what Gatehouse needs of a database: the Store interface, the records it
// keeps and the errors it answers with. Programs that use Gatehouse pick an adapter (memory, or
// their own) and hand it to gatehouse.New; only adapters deal with this package.
//
// A store keeps bytes under a key with a version, and an index next to them for operators' queries.
// It needs no transactions and no locks: every change is one conditional write of one record.
// Package storagetest has the suite that every adapter must pass.
package storage

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"
)

// MaxID is the greatest length of an ID, in bytes.
const MaxID = 255

var (
	// ErrNotFound says that no such account or token is stored.
	ErrNotFound = errors.New("storage: not found")
	// ErrConflict says that nothing was written by this call as the stored version was not the
	// expected one, or that the database asked to try again. The caller loads and decides again.
	ErrConflict = errors.New("storage: conflict")
	// ErrInvalid says that an ID, a version, a handle or a limit cannot be stored or asked for at all. Nothing was
	// written, and to try again is of no use.
	ErrInvalid = errors.New("storage: invalid argument")
)

// Record is one account.
type Record struct {
	ID      string // see CheckID
	Version int64  // chosen by the caller, fresh and random at every save, never 0
	Data    []byte // opaque, kept byte for byte, up to 1 MiB; nil and empty are the same
	Index   AccountIndex
}

// AccountIndex is what a store keeps of an account next to its data, in separate columns: for
// AccountByHandle and UnsentAccounts, for operators' queries, and for the checks of a token, which
// must not need a second read. The data is the truth; the index is computed from it at every save.
type AccountIndex struct {
	Authenticators int       // active authenticator apps
	Passkeys       int       // active passkeys; without one of either kind there is no second factor
	CodesLeft      int       // unused recovery codes
	LockedUntil    time.Time // zero: no method is locked by time
	Disabled       bool      // a method takes no more guesses until it is unlocked
	Suspended      bool
	// KeyName has the keys that seal the account's secrets, joined by commas: up to 1024 bytes of
	// UTF-8 without NUL, kept byte for byte. Empty: no secrets.
	KeyName    string
	TokenEpoch int64 // tokens minted under another value are revoked
	Handle     Handle
	Unsent     time.Time // since when something waits that its owner must be told; zero: nothing does
}

// Handle is the name of an account for passkeys: 32 random bytes, or the zero value for none. No two accounts have the
// same one, except for none.
type Handle [32]byte

// TokenRecord is one access token. SaveToken writes everything but Usage.
type TokenRecord struct {
	ID        string
	AccountID string
	Version   int64
	Data      []byte
	Index     TokenIndex
	Usage     TokenUsage // written by TouchTokens alone
}

// TokenIndex is what a store keeps of a token next to its data, for LiveTokens and for operators' queries.
type TokenIndex struct {
	Expires time.Time
	Revoked bool
	// Scopes has the token's scopes, in order and with a space between: up to 4096 bytes of UTF-8
	// without NUL, kept byte for byte.
	Scopes string
	Epoch  int64 // the TokenEpoch of its account when it was made
}

// Live tells the tokens of an account that have not ended from those that have.
type Live struct {
	Epoch int64     // those of any other have ended
	At    time.Time // those that expire at this time, before it, or at the zero time have ended; not zero
}

// Has reports whether a token has not ended: it is not revoked either.
func (l Live) Has(t TokenIndex) bool {
	return !t.Revoked && t.Epoch == l.Epoch && t.Expires.After(l.At)
}

// Page is part of a listing.
//
// A page may have fewer records than it was asked for, so only More tells whether the listing has
// ended. A page with More has at least one record, whose ID the next page begins after.
type Page[T any] struct {
	Records []T
	More    bool // at least one record followed the last of these when they were read
}

// PageOf makes a page of the records that a store has found, in their order, where it has looked for
// one more than limit, which tells it whether more follow.
func PageOf[T any](found []T, limit int) Page[T] {
	if len(found) <= limit {
		return Page[T]{Records: found}
	}
	return Page[T]{Records: found[:limit:limit], More: true}
}

// TokenUsage is what is known of how a token was used. The zero value: never.
type TokenUsage struct {
	LastUsed  time.Time
	Scopes    int64  // which of its scopes, as a set of bits; never negative
	Addresses string // opaque: up to 1024 bytes of UTF-8 without NUL, kept byte for byte
}

// TokenUse says how a token was used.
type TokenUse struct {
	ID string
	TokenUsage
}

// Store is what an adapter implements. All of it may be called from many goroutines at once.
//
// An implementation copies: it neither keeps nor changes the slices it is given, and returns
// nothing that it or another caller still holds. It compares IDs byte for byte (case, accents,
// normalization and trailing spaces count), and refuses those that CheckID refuses, with
// ErrInvalid. A load sees every save that had returned before the load began, whichever process
// made it: a replica that lags is not a Store.
//
// Times lie between the years 1970 and 2300 or are zero. They come back in UTC, cut (not rounded)
// to the microsecond; the zero time comes back as the zero time.
//
// A method whose context has ended before the call returns the context's error and writes nothing.
// A save that reports any error but ErrConflict and ErrInvalid may have happened or not; it must
// never report a success that is not durable. A database's own wish to try again (SQLSTATE 40001,
// MySQL's 1213, SQLite's busy) is ErrConflict, whichever method meets it: the caller's loop does
// the rest.
type Store interface {
	// LoadAccount returns ErrNotFound where there is no such account.
	LoadAccount(ctx context.Context, id string) (Record, error)

	// AccountByHandle returns the account that has a handle, as LoadAccount does, or ErrNotFound. No handle, the zero
	// value, is ErrInvalid. Where the account gives the handle up at the same time, the answer is ErrNotFound or the record
	// from before, which has the handle.
	AccountByHandle(ctx context.Context, h Handle) (Record, error)

	// SaveAccount writes r if the stored version is prev, otherwise returns ErrConflict; prev 0 says
	// that the account must not exist. The comparison and the write are one atomic step. r.Version
	// is stored as given, and 0 is ErrInvalid: because it is fresh at every save, a caller that
	// meets a conflict and finds the very version it tried knows that its save had happened and
	// only the reply was lost.
	//
	// A handle that another account has is ErrInvalid, no matter which came first. Random ones never meet, so it is a record
	// that was copied to another ID, and not a conflict: to decide again would lead to the same save.
	SaveAccount(ctx context.Context, r Record, prev int64) error

	// DeleteAccount removes the account, then its tokens. In that order: a token without an owner
	// is not found by LoadToken, so a crash between the two leaves no live token. Deleting an
	// account that is absent removes what tokens it left and is no error. A token that is saved at the
	// same time is removed too, or it is stored like any other: the listings have it, and deleting the
	// account again removes it.
	DeleteAccount(ctx context.Context, id string) error

	// Accounts returns the first accounts with an ID greater than after, up to limit, in byte order of
	// the IDs; see Page. after is empty or an ID, which need not be stored; limit is at least 1, and
	// math.MaxInt is a limit too; everything else is ErrInvalid.
	Accounts(ctx context.Context, after string, limit int) (Page[Record], error)

	// UnsentAccounts returns those of Accounts whose Index.Unsent is not zero, in the same way. What it costs must not
	// grow with the accounts that have nothing to be told.
	UnsentAccounts(ctx context.Context, after string, limit int) (Page[Record], error)

	// LoadToken returns a token and the index of the account that owns it as of one moment, in one
	// round trip if the database can. Where the token or its owner is missing it returns ErrNotFound.
	LoadToken(ctx context.Context, id string) (TokenRecord, AccountIndex, error)

	// SaveToken writes t as SaveAccount does an account. It does not ask whether the owner exists,
	// and neither writes nor disturbs Usage. A token's owner never changes: a save under
	// another AccountID than the stored one is ErrConflict.
	SaveToken(ctx context.Context, t TokenRecord, prev int64) error

	// DeleteToken removes a token and its usage if the stored version is prev, otherwise returns
	// ErrConflict, also where there is no such token; prev 0 is ErrInvalid. The comparison and the
	// removal of the token are one atomic step. A token that is made again under the ID was never used, also
	// where a use came at the same time as the removal; this holds for DeleteAccount too.
	DeleteToken(ctx context.Context, id string, prev int64) error

	// Tokens returns the first tokens of an account with an ID greater than after, as Accounts
	// does. The owner need not exist.
	Tokens(ctx context.Context, accountID, after string, limit int) (Page[TokenRecord], error)

	// LiveTokens returns those of Tokens that live has, in the same way. What it costs must not grow with the tokens that
	// were revoked or are of another epoch: an owner makes as many of those as they like. A live.At that is zero is
	// ErrInvalid.
	LiveTokens(ctx context.Context, accountID string, live Live, after string, limit int) (Page[TokenRecord], error)

	// AllTokens returns the first tokens of all accounts, whether those exist or not, with an ID
	// greater than after, as Accounts does.
	AllTokens(ctx context.Context, after string, limit int) (Page[TokenRecord], error)

	// TouchTokens adds uses to what is stored, in as few statements as the database can; if it
	// reports an error, some may be stored. LastUsed moves forward to
	// the given time and never back. Scopes are added to those that are there. Addresses take the
	// place of those that are there, unless LastUsed lies before the stored one. It passes over
	// uses at the zero time and tokens that do not exist, and never touches a record or its version,
	// so it cannot make a save conflict. The same token may be named more than once, which is as if
	// each had come in its own batch, in any order; no uses at all are no error. An ID that is
	// ErrInvalid refuses the whole batch.
	TouchTokens(ctx context.Context, uses []TokenUse) error
}

// Transaction is for changes of accounts that a program commits with its own changes. A Store may have a way to make
// one of a transaction of its database; sqlstore.Store.Within is that of SQL.
//
// Its methods are those of Store, within the transaction: others see what it has saved once the program has committed
// it. A conflict is not tried again: it ends the Transaction, as does any error but ErrNotFound, and each later call
// returns that error. The program rolls its transaction back then and begins it again.
type Transaction interface {
	// LockAccount is LoadAccount. It returns what is stored now and keeps others from changing it until the transaction
	// has ended; where the database cannot, a save over what has changed meanwhile is a conflict.
	LockAccount(ctx context.Context, id string) (Record, error)
	SaveAccount(ctx context.Context, r Record, prev int64) error
	DeleteAccount(ctx context.Context, id string) error
}

// CheckID returns ErrInvalid unless id is 1 to MaxID bytes of UTF-8 without NUL.
func CheckID(id string) error {
	if id == "" || len(id) > MaxID || !utf8.ValidString(id) {
		return ErrInvalid
	}
	for i := range len(id) {
		if id[i] == 0 {
			return ErrInvalid
		}
	}
	return nil
}
