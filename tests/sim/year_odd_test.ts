import { testSeeds, yearOf } from "./seeds.ts";

testSeeds("odd", yearOf);
