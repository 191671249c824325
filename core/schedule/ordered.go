package schedule

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// blockUnits is how many units a block holds before it is cut in two: small
// enough to shift in no time, large enough that blocks are few.
const blockUnits = 512

// ordered keeps units sorted by name, in blocks, so that those with a common
// beginning are found without looking at the others.
type ordered struct {
	blocks [][]*unit // none empty
}

// block returns the block where a name is or belongs.
func (o *ordered) block(name string) int {
	at, found := slices.BinarySearchFunc(o.blocks, name, func(b []*unit, name string) int {
		return cmp.Compare(string(b[0].name), name)
	})
	if found || at == 0 {
		return at
	}
	return at - 1
}

func inBlock(b []*unit, name string) (int, bool) {
	return slices.BinarySearchFunc(b, name, func(u *unit, name string) int {
		return cmp.Compare(string(u.name), name)
	})
}

func (o *ordered) insert(u *unit) {
	if len(o.blocks) == 0 {
		o.blocks = [][]*unit{{u}}
		return
	}
	i := o.block(string(u.name))
	at, _ := inBlock(o.blocks[i], string(u.name))
	b := slices.Insert(o.blocks[i], at, u)
	o.blocks[i] = b
	if len(b) > blockUnits {
		// Names often come in order: then the first half is never touched again.
		o.blocks[i] = slices.Clone(b[:blockUnits/2])
		o.blocks = slices.Insert(o.blocks, i+1, slices.Clone(b[blockUnits/2:]))
	}
}

func (o *ordered) remove(u *unit) {
	if len(o.blocks) == 0 {
		return
	}
	i := o.block(string(u.name))
	at, found := inBlock(o.blocks[i], string(u.name))
	if !found {
		return
	}
	if o.blocks[i] = slices.Delete(o.blocks[i], at, at+1); len(o.blocks[i]) == 0 {
		o.blocks = slices.Delete(o.blocks, i, i+1)
	}
}

// beginning yields the units whose names begin with prefix, in order.
func (o *ordered) beginning(prefix string) iter.Seq[*unit] {
	return func(yield func(*unit) bool) {
		if len(o.blocks) == 0 {
			return
		}
		i := o.block(prefix)
		if i == len(o.blocks) {
			return
		}
		at, _ := inBlock(o.blocks[i], prefix)
		for ; i < len(o.blocks); i, at = i+1, 0 {
			for _, u := range o.blocks[i][at:] {
				if !strings.HasPrefix(string(u.name), prefix) || !yield(u) {
					return
				}
			}
		}
	}
}
