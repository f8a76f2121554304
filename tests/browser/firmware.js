// An agent that answers when the test says so, over a connection of its own: what it hears, it keeps for the test.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { until } from './support.js';

const TEXT = 1;

export class Firmware {
  /** Commands that were not taken yet. @type {{command: string, id: string, json: any}[]} */
  heard = [];
  #rest = Buffer.alloc(0);

  /** Connects as an agent that says how far it is and can be asked to end. */
  static async connect(server, id, secret, commands = 'DISCOVER,GET_STATUS,HEARTBEAT,PROBE,WAKEUP') {
    const firmware = new Firmware();
    const asked = request(`${server.url}`, {
      headers: {
        authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
        'sec-websocket-protocol': 'arduino',
        'netignite-agent': `9.9; commands=${commands}; features=progress,cancel`,
      },
      path: '/api/agent-control-service',
    });
    firmware.socket = await new Promise((resolve, reject) => {
      asked.on('upgrade', (_, socket, head) => {
        firmware.#take(head);
        resolve(socket);
      });
      asked.on('response', ({ statusCode }) => reject(new Error(`the agent was refused: ${statusCode}`)));
      asked.on('error', reject);
      asked.end();
    });
    firmware.socket.on('data', (data) => firmware.#take(data));
    firmware.socket.on('error', () => undefined);
    return firmware;
  }

  /** Takes what came; the server's frames are not masked. */
  #take(data) {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      if (this.#rest.length < 2) return;
      let [length, at] = [this.#rest[1] & 127, 2];
      if (length === 126) {
        if (this.#rest.length < 4) return;
        [length, at] = [this.#rest.readUInt16BE(2), 4];
      }
      assert.notEqual(length, 127, 'no frame is that long');
      if (this.#rest.length < at + length) return;
      const [opcode, payload] = [this.#rest[0] & 15, this.#rest.subarray(at, at + length)];
      this.#rest = this.#rest.subarray(at + length);
      if (opcode === 9) this.#send(10, payload);
      if (opcode !== TEXT) continue;
      const [, command, id, json] = /^([A-Z_]+):(\d+):(.*)$/s.exec(payload.toString()) ?? [];
      this.heard.push({ command, id, json: JSON.parse(json) });
    }
  }

  #send(opcode, payload) {
    const bytes = Buffer.from(payload);
    const mask = randomBytes(4);
    const head = bytes.length < 126 ? Buffer.from([128 | opcode, 128 | bytes.length]) : Buffer.from([128 | opcode, 254, bytes.length >> 8, bytes.length & 255]);
    this.socket.write(Buffer.concat([head, mask, bytes.map((byte, i) => byte ^ mask[i % 4])]));
  }

  /** The next command of this name. */
  command(name) {
    return until(`the agent hears ${name}`, () => {
      const at = this.heard.findIndex(({ command }) => command === name);
      return at < 0 ? undefined : this.heard.splice(at, 1)[0];
    });
  }

  /** Says how far a command is. */
  progress({ id }, report) {
    this.#send(TEXT, `PROGRESS:${id}:${JSON.stringify(report)}`);
  }

  reply({ command, id }, json) {
    this.#send(TEXT, `${command}:${id}:${JSON.stringify(json)}`);
  }
}
