import { utf8 } from "../../lib/base/bytes.ts";
import { House } from "./house.ts";
import { Running } from "./running.ts";

export type Fields = Record<string, unknown>;

/** A manager that an operator changes. */
export class Operated implements AsyncDisposable {
  readonly house: House;
  readonly running: Running;

  constructor(house: House, running: Running) {
    this.house = house;
    this.running = running;
  }

  static async start(): Promise<Operated> {
    const house = await House.open();
    return new Operated(house, await Running.start(house));
  }

  /** What an action answers; of an error, its code and text. */
  async post(path: string, body: Fields): Promise<Fields> {
    const answer = await this.running.api.operate({
      method: "POST",
      path: `/v1/${path}`,
      body: utf8(JSON.stringify(body)),
    });
    const value = JSON.parse(answer.body);
    return answer.status === 200 ? value : value.error;
  }

  async refusal(path: string, body: Fields): Promise<unknown> {
    return (await this.post(path, body))["code"];
  }

  async get<T = Fields[]>(path: string): Promise<T> {
    return (await this.running.get(`/v1/${path}`)).body as T;
  }

  /** Somebody asks by a token; gives what the manager says, or its code. */
  async ask(tokenId = this.house.cluster.tokens.worker.id) {
    const key = await this.house.crypto.generateKey();
    const again = async () => {
      try {
        const answer = await this.house.ask(key, { tokenId });
        return "applicant" in answer ? "pending" : answer.node;
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    return { first: await again(), again };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running[Symbol.asyncDispose]();
  }
}
