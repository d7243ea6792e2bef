import json
import re


class Workflow:
    async def __call__(self, problem, entry_point):
        team, plan = await self.draft(problem)
        results, outputs = "", []
        for number, (names, task) in enumerate(plan, 1):
            for name in names:
                output = await self.act(problem, entry_point, results, task, name, team[name])
                if output:
                    outputs.append(output)
                    results += prompt_custom.RESULT.format(number=number, name=name, output=output)
        programs = [o for o in outputs if code_in(o)]
        return code_in(programs[-1]) if programs else (outputs[-1] if outputs else "")

    async def act(self, problem, entry_point, results, task, name, text):
        """One role's part of one step: turns of work, at most TURNS, until it gives its final output."""
        notes, latest = "", ""
        for turn in range(1, prompt_custom.TURNS + 1):
            last = turn == prompt_custom.TURNS
            try:
                reply = await self.custom(
                    input=prompt_custom.STATE.format(
                        problem=problem,
                        entry_point=entry_point or "any",
                        results=results,
                        task=task,
                        notes=notes,
                    ),
                    instruction=prompt_custom.ROLE.format(name=name, text=text)
                    + (prompt_custom.CONCLUDE if last else prompt_custom.WORK),
                )
            except Exception as error:  # the notes have outgrown the worker's context: what there is counts
                print(f"{name} ends early: {error}")
                return latest
            latest = reply["response"].strip() or latest
            final = final_of(reply["response"])
            if final or last:
                return final or latest
            notes += prompt_custom.NOTE.format(turn=turn, reply=reply["response"].strip())
            program = code_in(reply["response"])
            if program:
                tested = await self.test(
                    problem=problem, solution=program, entry_point=entry_point, test_loop=0
                )
                notes += prompt_custom.TESTED.format(feedback=tested["feedback"])
        return latest

    async def draft(self, problem):
        """A team and a plan, drafted until both observers are content."""
        team, plan, advice = {}, [], ""
        for drafted in range(1, prompt_custom.DRAFTS + 1):
            try:
                reply = await self.custom(
                    input=prompt_custom.TASK.format(problem=problem) + advice,
                    instruction=prompt_custom.DRAFT,
                )
                team, plan = read_draft(reply["response"])
                # What is said of the last draft would change nothing.
                advice = "" if drafted == prompt_custom.DRAFTS else await self.advice(problem, team, plan)
            except Exception as error:  # it has outgrown the worker's context: what there is counts
                if not plan:
                    raise
                print(f"drafting ends early: {error}")
                break
            if not advice:
                break
        return team, plan

    async def advice(self, problem, team, plan):
        """What is to change in this draft, or "" where nothing is: advice on earlier ones is forgotten."""
        roles = "\n".join(f"- {name}: {text}" for name, text in team.items())
        steps = "\n".join(f"{n}. {', '.join(names)}: {text}" for n, (names, text) in enumerate(plan, 1))
        about_roles = await self.custom(
            input=prompt_custom.DRAFTED_ROLES.format(problem=problem, roles=roles),
            instruction=prompt_custom.CHECK_ROLES,
        )
        about_plan = await self.custom(
            input=prompt_custom.DRAFTED_PLAN.format(problem=problem, roles=roles, steps=steps),
            instruction=prompt_custom.CHECK_PLAN,
        )
        said = [r["response"].strip() for r in (about_roles, about_plan)]
        if all(content(s) for s in said):
            return ""
        return prompt_custom.ADVICE.format(roles=roles, steps=steps, about_roles=said[0], about_plan=said[1])


def read_draft(reply):
    """The team (name → what it is) and the plan ([names], what to do), whatever the reply looks like.

    The last step belongs to the Language Expert alone; names must be those of the team.
    """
    team = {}
    for data in json_objects(reply):
        name = data.get("name")
        if isinstance(name, str) and name.strip():
            texts = [data.get(key) for key in ("description", "prompt", "suggestions")]
            team[name.strip()] = " ".join(t.strip() for t in texts if isinstance(t, str) and t.strip())
    known = {name.casefold(): name for name in team}
    expert = known.setdefault(prompt_custom.EXPERT.casefold(), prompt_custom.EXPERT)
    team.setdefault(expert, prompt_custom.EXPERT_TEXT)
    plan = []
    for line in reply.splitlines():
        step = re.match(r"[\s>*]*\d{1,3}[.)]\s*(.+?):\s*(\S.*)", line.replace("**", ""))
        if step is None:
            continue
        names = [n.strip(" \t[]`*_\"'").casefold() for n in re.split(r",|&|\band\b", step[1])]
        whole = step[1].strip(" \t[]`*_\"'").casefold()
        doing = [known[n] for n in dict.fromkeys([whole] if whole in known else names) if n in known]
        if doing:
            plan.append((doing, step[2].strip()))
    if not plan or plan[-1][0] != [expert]:
        plan.append(([expert], prompt_custom.LAST_STEP))
    return team, [*plan[:-1][: prompt_custom.STEPS - 1], plan[-1]]


def json_objects(text):
    """Every JSON object in a text, in lists or alone; a broken one does not hide those after it."""
    decoder, found, position = json.JSONDecoder(strict=False), [], 0
    while (start := text.find("{", position)) >= 0:
        try:
            value, position = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            position = start + 1
            continue
        found.append(value)
        found += [v for many in value.values() if isinstance(many, list) for v in many if isinstance(v, dict)]
    return found


def content(advice):
    """Only a last line that says just this: praise around a suggestion is still a suggestion."""
    lines = [line.strip(" \t*_`#>.!\"'") for line in advice.splitlines()]
    lines = [line for line in lines if line]
    return bool(lines) and lines[-1].casefold() == prompt_custom.NO_ADVICE


def final_of(reply):
    """What follows the last "Final Output:", or None."""
    parts = re.split(r"(?im)^[ \t*#_]*final output[ \t*_]*:[ \t*_]*", reply)
    return parts[-1].strip() if len(parts) > 1 else None


def code_in(reply):
    """The last Python block of a reply, or the reply where it is a program itself."""
    blocks = re.findall(r"```[ \t]*(?:python|py|python3)?[ \t]*\r?\n(.*?)(?:```|\Z)", reply, re.DOTALL)
    if blocks:
        return blocks[-1].strip("\n")
    return reply if re.search(r"^(?:async )?(?:def|class) \w", reply, re.MULTILINE) else ""
