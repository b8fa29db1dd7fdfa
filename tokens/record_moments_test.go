package tokens

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// moments are all numbers of a record that could be moments, with the reason why one that a wrong clock has set does no
// harm. docs/design.md has the same table for people. A new field must be added to both.
var moments = map[string]string{
	"record.Created":   "it is shown, and nothing is decided by it",
	"record.NotBefore": "who sets it chooses it: it is no clock's",
	"record.Expires":   "bounded when it is read",
	"record.Revoked":   "only whether it is 0 counts",
	"record.Lifetime":  "it is no moment",
	"record.Epoch":     "it is no moment",
	"record.Birth":     "it is no moment",
	"record.ProofAt":   "it is shown, and nothing is decided by it",
	"record.Vouched":   "it is set together with Expires, which bounds it",
	"record.Old.Until": "bounded when it is read",
}

// Row F5: there is no stored number of which nobody has decided what a wrong clock may do with it.
func TestMomentsAreAllKnown(t *testing.T) {
	found := map[string]bool{}
	var look func(path string, t reflect.Type)
	look = func(path string, t reflect.Type) {
		switch t.Kind() {
		case reflect.Int64:
			found[path] = true
		case reflect.Pointer, reflect.Slice, reflect.Array:
			look(path, t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				look(path+"."+t.Field(i).Name, t.Field(i).Type)
			}
		}
	}
	look("record", reflect.TypeFor[record]())
	require.Equal(t, slices.Sorted(maps.Keys(moments)), slices.Sorted(maps.Keys(found)))
}

// Row F5: a token that was minted or rotated by a clock ahead does not work for longer than it may, and its
// old copies do not after it was renewed.
func TestTokenOfAnotherClock(t *testing.T) {
	owner := storage.AccountIndex{Authenticators: 1, TokenEpoch: 1}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := envAt(start.Unix())
	const life, day = 100 * time.Hour, 24 * time.Hour
	for ahead, want := range map[time.Duration]standing{
		-time.Hour: good, 0: good, 30 * time.Second: good, time.Hour: good, time.Hour + 30*time.Second: good,
		time.Hour + 31*time.Second: expired, 30 * day: expired, 3650 * day: expired,
		-life + time.Second: good, -life: expired,
	} {
		token := fullToken()
		token.Epoch, token.Revoked, token.NotBefore, token.Old = 1, 0, 0, nil
		token.Lifetime, token.Expires = int64(life/time.Second), start.Add(ahead+life).Unix()
		require.Equal(t, want, token.stands(owner, now), "%v", ahead)
		token.Old = []oldDigest{{Digest: token.Digest, Until: start.Add(ahead + time.Hour).Unix()}, {Digest: token.Digest, Until: 7}}
		renewed, err := token.renew(authority{Presented: core.Presented{Proof: core.Proof{Kind: core.SecondFactor, At: start.Unix()}}}, life, owner, now)
		if want != expired {
			require.ErrorIs(t, err, core.ErrPrecondition)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, good, renewed.stands(owner, now))
		require.Equal(t, start.Add(life).Unix(), renewed.Expires)
		require.Equal(t, min(start.Unix(), token.Old[0].Until), renewed.Old[0].Until, "an old copy stays ended")
		require.Equal(t, int64(7), renewed.Old[1].Until)
	}
}
