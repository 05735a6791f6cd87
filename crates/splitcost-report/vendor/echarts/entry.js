// What the report draws with, and nothing else: esbuild leaves out the rest of Apache ECharts.
import { use } from "echarts/core";
import { CustomChart, GraphChart, LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

use([
  CustomChart, GraphChart, LineChart, ScatterChart,
  AriaComponent, GridComponent, LegendComponent, TooltipComponent,
  SVGRenderer,
]);

export { init } from "echarts/core";
