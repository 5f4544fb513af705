import type { Command } from 'commander'

/** The arguments that show what `help COMMAND SUBCOMMAND` asks for, of which commander shows the first alone. */
export function helpArguments(program: Command, args: readonly string[]): readonly string[] {
  const [help, ...names] = args
  if (help !== 'help' || names.length === 0) return args
  let command = program
  for (const [i, name] of names.entries()) {
    if (command.commands.length === 0) return [...names.slice(0, i), '--help']
    const inner = command.commands.find((candidate) => candidate.name() === name)
    // Its error names the nearest.
    if (!inner) return names
    command = inner
  }
  return [...names, '--help']
}

/** Errors of a command and of those in it say how to see its options. */
export function hintAtHelp(command: Command, ...names: readonly string[]): void {
  command.showHelpAfterError(
    names.length === 0
      ? '(transfusion help shows the commands)'
      : `(transfusion help ${names.join(' ')} shows its arguments, options and examples)`,
  )
  for (const inner of command.commands) hintAtHelp(inner, ...names, inner.name())
}
