package fleetctl

import (
	"context"
	"fmt"
	"strings"

	"argosy/core/api"
	"argosy/core/cluster"
)

// places are the machines that have the unit: one for most, all for a global
// unit, both while it moves. A machine chosen by the user is the only one.
func (s *session) places(ctx context.Context, name cluster.UnitName, chosen string) ([]api.Presence, error) {
	if chosen != "" {
		machine, err := s.machineNamed(ctx, chosen)
		return []api.Presence{machine}, err
	}
	answer, err := s.Unit(ctx, name)
	if err != nil {
		return nil, err
	}
	s.note(answer.Freshness)
	if len(answer.Unit.On) == 0 {
		return []api.Presence{{}}, nil // asked about no machine by name, the API says why there is none
	}
	return answer.Unit.On, nil
}

// machineNamed is the machine that a word means: its hostname, its address, its
// id or the beginning of that.
func (s *session) machineNamed(ctx context.Context, word string) (api.Presence, error) {
	answer, err := s.Machines(ctx)
	if err != nil {
		return api.Presence{}, err
	}
	s.note(answer.Freshness)
	m, err := pick(answer.Machines, word)
	return api.Presence{Machine: m.ID, Name: m.Name, IP: m.IP}, err
}

// pick is the machine that a word means.
func pick(machines []api.Machine, word string) (api.Machine, error) {
	var fits []api.Machine
	for _, m := range machines {
		if word != "" && (word == m.Name || word == m.IP || word == string(m.ID)) {
			return m, nil
		}
		if strings.HasPrefix(string(m.ID), strings.TrimSuffix(word, "...")) {
			fits = append(fits, m)
		}
	}
	switch len(fits) {
	case 1:
		return fits[0], nil
	case 0:
		return api.Machine{}, fmt.Errorf("machine %s: %w; 'fleetctl list-machines -o wide' shows who is there", word, cluster.ErrNotFound)
	default:
		return api.Machine{}, fmt.Errorf("machine %s: %d machines have an id that begins so, among them %s and %s",
			word, len(fits), calledMachine(fits[0]), calledMachine(fits[1]))
	}
}

// everywhere calls show for each place, under a heading where there are several.
// One machine that does not answer hides no other. The exit code is that of the
// first that is not well.
func (s *session) everywhere(name cluster.UnitName, on []api.Presence, show func(cluster.MachineID) (int, error)) int {
	code := 0
	for i, place := range on {
		if len(on) > 1 {
			if i > 0 {
				fmt.Fprintln(s.out)
			}
			fmt.Fprintf(s.out, "==> %s on %s (%s) <==\n", name, place.Called(), machineAt(place.Machine, place.IP, false))
		}
		exit, err := show(place.Machine)
		if err != nil {
			exit = s.tell(err)
		}
		if code == 0 {
			code = exit
		}
	}
	return code
}
