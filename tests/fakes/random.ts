export { SeededRandom } from "../../lib/base/seeded_random.ts";
