// A server's client of `medq serve`, typed by what `openapi-typescript` makes of docs/openapi.json. The token stays on
// the server: a browser never sees it. `user` is the e-mail of the platform's signed-in admin or teacher.
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
export type Job = Schemas["Job"];
export type JobDetail = Schemas["JobDetail"];
export type LiveJob = Schemas["LiveJob"];
export type Item = Schemas["Item"];
export type Decision = Schemas["Decision"];

/** A refusal: `message` is a French sentence that can be shown as it is. */
export class Refused extends Error {
  constructor(readonly status: number, sentence: string) {
    super(sentence);
  }
}

const refuse: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return;
    const problem = (await response.json().catch(() => null)) as { detail?: string } | null;
    throw new Refused(response.status, problem?.detail ?? response.statusText);
  },
};

export function connect(baseUrl: string, token: string, user: string) {
  const headers = { Authorization: `Bearer ${token}`, "X-Medq-User": user };
  const api = createClient<paths>({ baseUrl, headers });
  api.use(refuse);

  /** Create the job of a file. The same `key` again (a double click, a retry) gives the same job. */
  async function upload(file: File, key: string, options: { instructions?: string; config?: object } = {}): Promise<Job> {
    const { data } = await api.POST("/api/v1/jobs", {
      params: { header: { "idempotency-key": key } },
      body: { file: "", instructions: options.instructions },
      bodySerializer() {
        const form = new FormData();
        form.set("file", file, file.name);
        if (options.instructions) form.set("instructions", options.instructions);
        if (options.config) form.set("config", JSON.stringify(options.config));
        return form;
      },
    });
    return data!;
  }

  /** The whole state at each change until the job has ended. A stream that breaks is taken up again: nothing is lost. */
  async function* follow(jobId: string, signal?: AbortSignal): AsyncGenerator<LiveJob> {
    for (;;) {
      const response = await fetch(`${baseUrl}/api/v1/jobs/${encodeURIComponent(jobId)}/events`, { headers, signal });
      if (!response.ok || !response.body) {
        await refuse.onResponse!({ response } as never);
        return;
      }
      try {
        for await (const { event, data } of events(response.body)) {
          if (event === "gone") return;
          const job = JSON.parse(data) as LiveJob;
          yield job;
          if (job.status !== "queued" && job.status !== "processing") return;
        }
      } catch (error) {
        if (signal?.aborted) throw error;
      }
      await new Promise((later) => setTimeout(later, 2000));
    }
  }

  /** What waits for a person, page by page. */
  async function* openItems(jobId: string): AsyncGenerator<Item> {
    let cursor: string | undefined;
    do {
      const { data } = await api.GET("/api/v1/jobs/{job_id}/items", {
        params: { path: { job_id: jobId }, query: { open: true, cursor } },
      });
      yield* data!.items;
      cursor = data!.next ?? undefined;
    } while (cursor);
  }

  /** Settle a row as it was shown. Throws `Refused` 409 when it changed since, or somebody else was faster. */
  async function decide(item: Item, decision: Omit<Decision, "version">): Promise<Item> {
    const { data } = await api.POST("/api/v1/items/{item_id}/decision", {
      params: { path: { item_id: item.id } },
      body: { ...decision, version: item.version },
    });
    return data!.item as Item;
  }

  /** The corrected workbook, to be handed on as it comes. */
  async function workbook(jobId: string): Promise<Response> {
    const { response } = await api.GET("/api/v1/jobs/{job_id}/workbook", {
      params: { path: { job_id: jobId } },
      parseAs: "stream",
    });
    return response;
  }

  return { api, upload, follow, openItems, decide, workbook };
}

/** Server-sent events of a body, whatever pieces it comes in. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
    const blocks = (rest + decoder.decode(piece, { stream: true })).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const fields = block.split("\n").map((line) => /^(\w+): ?(.*)$/.exec(line));
      const of = (name: string) => fields.filter((field) => field?.[1] === name).map((field) => field![2]).join("\n");
      if (of("data")) yield { event: of("event") || "message", data: of("data") };
    }
  }
}
