package api

import (
	"cmp"
	"slices"

	"argosy/core/cluster"
)

// nearMisses is how many names a hint offers.
const nearMisses = 3

// Near returns the few names that one may have meant by name, nearest first.
func Near(name cluster.UnitName, names []cluster.UnitName) []cluster.UnitName {
	type miss struct {
		name     cluster.UnitName
		distance int
	}
	// A third of the letters may be wrong; more is another name.
	most := max(1, len(name)/3)
	var misses []miss
	for _, candidate := range names {
		if d := distance(string(name), string(candidate), most); d <= most {
			misses = append(misses, miss{candidate, d})
		}
	}
	slices.SortStableFunc(misses, func(a, b miss) int { return cmp.Compare(a.distance, b.distance) })
	var near []cluster.UnitName
	for _, m := range misses[:min(nearMisses, len(misses))] {
		near = append(near, m.name)
	}
	return near
}

// distance counts the letters to insert, delete or replace to get from a to b.
// It gives up beyond most and then returns most+1.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal, least := row[0], i+1
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j+1]+1, row[j]+1)
			least = min(least, row[j+1])
		}
		if least > most {
			return most + 1
		}
	}
	return min(row[len(b)], most+1)
}
