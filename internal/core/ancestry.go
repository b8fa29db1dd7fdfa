package core

import (
	"encoding/binary"
	"iter"
)

const (
	maxAncestors = 16 // versions
	versionSize  = 8  // bytes
)

// Ancestry is the versions that a record had before its present one, the latest first and at most 16. It tells
// what became of a save whose reply was lost, also where others have saved since.
type Ancestry []byte

// Then returns the ancestry of the save that follows a version, 0 being none.
func (a Ancestry) Then(version int64) Ancestry {
	if version == 0 {
		return nil
	}
	next := binary.BigEndian.AppendUint64(nil, uint64(version))
	return append(next, a[:min(len(a), (maxAncestors-1)*versionSize)]...)
}

// Versions yields the versions, the latest first.
func (a Ancestry) Versions() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for ; len(a) >= versionSize; a = a[versionSize:] {
			if !yield(int64(binary.BigEndian.Uint64(a))) {
				return
			}
		}
	}
}

func (a Ancestry) has(version int64) bool {
	for v := range a.Versions() {
		if v == version {
			return true
		}
	}
	return false
}

// valid reports whether it can be one.
func (a Ancestry) valid() bool { return len(a)%versionSize == 0 && len(a) <= maxAncestors*versionSize }

// Fate is what became of a save.
type Fate uint8

const (
	Unsure   Fate = iota // the zero value
	Saved                // it was made
	NotSaved             // it was not, and will not be, or is gone with the record
)

// Fate returns the fate of a save that was to replace one version (over, 0 for no record) by another (attempted). The
// record that is stored now has this ancestry and the version now. Versions are random, so one that is found is that
// save's.
func (a Ancestry) Fate(now, attempted, over int64) Fate {
	switch {
	case now == attempted || a.has(attempted):
		return Saved
	case now == over || a.has(over): // what came after it is another
		return NotSaved
	case len(a) < maxAncestors*versionSize: // these are all since the record was made, later than what was to be replaced
		return NotSaved
	}
	return Unsure
}

// Lineage returns the ancestry of an account's record.
func (a Account) Lineage() Ancestry { return a.Ancestry }

// After returns the account as it is saved after a version.
func (a Account) After(version int64) Account {
	a.Ancestry = a.Ancestry.Then(version)
	return a
}
