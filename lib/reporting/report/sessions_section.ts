import type { Session, Sessions } from '../sessions.js'
import { html, type Html } from './html.js'
import { formatBytes, formatCount, formatDuration, formatNumber, formatTime } from './numbers.js'

export function sessionsSection(all: Sessions | undefined): Html | undefined {
  if (!all) return undefined
  const { sessions } = all
  const machines = new Map(sessions.map(({ machine }) => [JSON.stringify(machine), machine]))
  return html`<section id="sessions">
    <h2>Sessions and machine</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Sessions">
      <table>
        <thead>
          <tr>
            <th scope="col">Started</th>
            <th scope="col" class="number">From step</th>
            <th scope="col" class="number">To step</th>
            <th scope="col" class="number">Took</th>
            <th scope="col">Ended</th>
            <th scope="col" class="number">Matmul rate</th>
          </tr>
        </thead>
        <tbody>
          ${sessions.map(sessionRow)}
        </tbody>
      </table>
    </div>
    ${[...machines.values()].map(machineList)}
  </section>`
}

function sessionRow({ started, step, ended, matmul_rate }: Session): Html {
  const took = ended && (Date.parse(ended.time) - Date.parse(started)) / 1000
  const end = ended ? `${ended.how}${ended.message ? `: ${ended.message}` : ''}` : 'not noted'
  return html`<tr>
    <td class="time">${formatTime(started)}</td>
    <td class="number">${step.toLocaleString('en')}</td>
    <td class="number">${ended ? ended.step.toLocaleString('en') : '–'}</td>
    <td class="number">${took === undefined ? '–' : formatDuration(took)}</td>
    <td>${end}</td>
    <td class="number">${matmul_rate === null ? '–' : `${formatNumber(matmul_rate / 1e9, 3)} Gflop/s`}</td>
  </tr>`
}

function machineList(machine: Session['machine']): Html {
  const facts = {
    Processor: machine.processor,
    Cores: formatCount(machine.processors, 'thread'),
    Memory: formatBytes(machine.memory),
    Instructions: `${machine.simd}${machine.native_bf16 ? ', bf16' : ''}`,
    System: machine.system,
    Node: machine.node,
  }
  return html`<dl class="facts">
    ${Object.entries(facts).map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`
}
