package core_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Row K10: what became of a save, as a record tells after any number of further ones.
func TestFate(t *testing.T) {
	// Versions are 1000, 1001 and so on; -5 was attempted in the place of 1000 and is no version of the record.
	for saves := range int64(40) {
		var made, begun, other core.Ancestry // after so many saves behind the one over, or from the beginning
		made = made.Then(math.MinInt64).Then(1000)
		other = other.Then(math.MinInt64).Then(1000)
		attempted := int64(1001)
		for i := range saves {
			made = made.Then(1001 + i)
			other = other.Then(2001 + i)
			begun = begun.Then(3000 + i)
		}
		now := 1001 + saves
		wantMade, wantOther, wantBegun := core.Saved, core.NotSaved, core.NotSaved
		if saves > 16 {
			wantMade = core.Unsure
		}
		if saves >= 16 {
			wantOther, wantBegun = core.Unsure, core.Unsure
		}
		require.Equal(t, wantMade, made.Fate(now, attempted, 1000), "%d saves after the one that was made", saves)
		require.Equal(t, wantOther, other.Fate(2001+saves, attempted, 1000), "%d saves after another", saves)
		require.Equal(t, wantBegun, begun.Fate(3000+saves, attempted, 0), "%d saves after another made the record", saves)
		require.LessOrEqual(t, len(made), 128)
	}
	require.Equal(t, core.NotSaved, core.Ancestry(nil).Fate(1000, -5, 1000), "nothing has come after it")
	require.Equal(t, core.NotSaved, core.Ancestry(nil).Fate(0, -5, 0), "there is still none")
	require.Equal(t, core.NotSaved, core.Ancestry(nil).Fate(0, -5, 1000), "the record is gone")
	require.Equal(t, core.NotSaved, core.Ancestry(nil).Fate(7, -5, 1000), "it was made anew")
	require.Zero(t, core.Unsure)
}

func TestAncestryBounds(t *testing.T) {
	for size := range 200 {
		a := full()
		a.Ancestry = make(core.Ancestry, size)
		data, err := a.Encode()
		if size%8 != 0 {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		if _, err = core.Decode(a.ID, data); size <= 128 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, core.ErrFormat)
		}
	}
}
