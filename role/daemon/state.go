package daemon

import (
	"context"
	"encoding/json"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/role/agent"
	"argosy/role/engine"
)

// state is what SIGUSR1 writes: one JSON document in one line.
type state struct {
	At            time.Time         `json:"at"`
	Version       string            `json:"version"`
	Configuration []setting         `json:"configuration"` // without secrets
	Reload        string            `json:"reloadFault,omitempty"`
	ID            cluster.MachineID `json:"machineID"`
	Machine       cluster.Machine   `json:"machine"` // as told to the cluster
	Agent         agentState        `json:"agent"`
	Engine        *engineState      `json:"engine,omitempty"`   // on members
	Registry      *registryState    `json:"registry,omitempty"` // on members
}

type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

type agentState struct {
	agent.Snapshot
	Admitted    bool      `json:"admitted"`
	LastContact time.Time `json:"lastContact,omitzero"`
	Trouble     string    `json:"trouble,omitempty"`
	LeftOut     int       `json:"leftOut"` // units that are not in the list
}

type engineState struct {
	Role string `json:"role"` // leader, standby or disabled
	engine.Status
}

type registryState struct {
	api.Freshness
	Trouble string `json:"trouble,omitempty"`
}

// mostState keeps the document within one line of the journal, which is of 48 kB
// (LineMax= in journald.conf(5)), so that it comes out of it as it went in.
const mostState = 40 << 10

// mostListed bounds the units that the agent is asked for.
const mostListed = 400

// writeState writes what fleetd knows of itself.
func (p *parts) writeState(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := encode(p.state(ctx))
	if err == nil {
		_, err = p.config.State.Write(append(text, '\n'))
	}
	if err != nil {
		p.log.Warn("the state was not written", "error", err)
	}
}

func (p *parts) state(ctx context.Context) state {
	health := p.agent.Health()
	s := state{
		At: time.Now().UTC(), Version: p.config.Version, Reload: p.fault, ID: p.on.facts.ID, Machine: p.machine(),
		Agent: agentState{Admitted: p.agent.Admitted(), LastContact: health.LastContact, Trouble: health.Trouble},
	}
	for _, one := range p.settings.Settings() {
		s.Configuration = append(s.Configuration, setting{one.Name, one.Shown(), one.Origin})
	}
	has, err := p.agent.Snapshot(ctx, mostListed)
	if err != nil {
		s.Agent.Trouble = "the agent does not answer: " + err.Error()
	}
	s.Agent.Snapshot = has
	s.Machine.Lease = has.Lease
	if p.registry == nil {
		return s
	}
	s.Registry = &registryState{}
	if s.Registry.Freshness, err = p.registry.Freshness(); err != nil {
		s.Registry.Trouble = err.Error()
	}
	s.Engine = &engineState{Status: p.engine.Status(), Role: "standby"}
	switch {
	case p.settings.DisableEngine:
		s.Engine.Role = "disabled"
	case s.Engine.Leads():
		s.Engine.Role = "leader"
	}
	return s
}

// encode writes the document with as many units as fit.
func encode(s state) ([]byte, error) {
	for {
		s.Agent.LeftOut = s.Agent.Units - len(s.Agent.First)
		text, err := json.Marshal(s)
		if err != nil || len(text) <= mostState || len(s.Agent.First) == 0 {
			return text, err
		}
		s.Agent.First = s.Agent.First[:len(s.Agent.First)/2]
	}
}
